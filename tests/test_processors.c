/*
 * test_processors.c - which CPUs this process has, and how much of them, whatever
 * the variables of OpenMP and its control groups say; and that networks are
 * right on the instructions of lesser processors.  By the program, as it is
 * started.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/devices/environment.h"
#include "kernels/cpu/cgroup.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/cpus.h"
#include "kernels/cpu/onednn/onednn.h"
#include "kernels/cpu/team.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/test.h"

/* ---- measured by the program ---------------------------------------------- */

/* One small case; the number that it has in the first row of sql. */
static int measured(const char *variables, const char *flags, const char *sql)
{
    const char *db = temp_path("measured.db");
    char *text;
    const int code = program_after(
        &text, variables,
        "run --module=se --channels=16 --height=4 --width=4 --limit=1 "
        "--max_samples=7 --fresh --db=%s %s",
        db, flags);

    CHECK_MSG(code == 0, "%s attnbench %s: %s", variables, flags, text);
    free(text);
    return code ? -1 : atoi(ask(db, sql));
}

#define LAST " ORDER BY id DESC LIMIT 1"

static int used(const char *variables, const char *flags)
{
    return measured(variables, flags, "SELECT threads_used FROM run" LAST);
}

/* Threads by default, where nothing is said. */
static int usual(void)
{
    Team team;
    int n;

    CHECK_MSG(team_open(&team, 0, false) == OK, "%s", err_message());
    n = team.threads;
    team_close(&team);
    return n;
}

/* ---- OpenMP's variables ---------------------------------------------------- */

TEST(processors, threads_are_all_whatever_openmp_binds)
{
    static const char *const variables[] = {
        "",
        "OMP_PROC_BIND=true",
        "OMP_PROC_BIND=close",
        "OMP_PROC_BIND=spread OMP_PLACES=cores",
        "OMP_PLACES=threads",
        "OMP_DYNAMIC=true",
        "OMP_NUM_THREADS=1",
        "OMP_MAX_ACTIVE_LEVELS=0",
    };
    const int all = usual(), cores = environment_cores();
    char sql[128];

    snprintf(sql, sizeof(sql),
             "SELECT threads_used = %d AND cores = %d AND threads = 0 FROM "
             "latest" LAST,
             all, cores);
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        CHECK_MSG(measured(variables[i], "", sql) == 1, "%s: not %d threads",
                  variables[i], all);
}

static int first_cpu(void)
{
    int i = 0;

    while (!mask_has(cpus_of_process(), i))
        i++;
    return i;
}

TEST(processors, threads_keep_to_the_places_they_are_given)
{
    static const char *const fmts[] = { "OMP_PLACES='{%d}'",
                                        "GOMP_CPU_AFFINITY=%d" };
    char variables[64];

    for (int i = 0; i < 2; i++) {
        snprintf(variables, sizeof(variables), fmts[i], first_cpu());
        CHECK(used(variables, "") == 1);
    }
}

TEST(processors, a_refusal_names_the_limit)
{
    char *text, arguments[256], variables[64];

    if (environment_cores() < 2)
        SKIP("there is one CPU");
    snprintf(arguments, sizeof(arguments),
             "run --module=se --channels=16 --threads=2 --db=%s",
             temp_path("refused.db"));
    program_after(&text, "OMP_THREAD_LIMIT=1", "%s", arguments);
    CHECK_MSG(strstr(text, "threads=2: OMP_THREAD_LIMIT allows 1"), "%s", text);
    free(text);
    snprintf(variables, sizeof(variables), "OMP_PLACES='{%d}'", first_cpu());
    program_after(&text, variables, "%s", arguments);
    CHECK_MSG(strstr(text, "threads=2: OMP_PLACES or GOMP_CPU_AFFINITY leaves"),
              "%s", text);
    free(text);
    program_after(&text, "OMP_DYNAMIC=true OMP_MAX_ACTIVE_LEVELS=0", "%s",
                  arguments);
    CHECK_MSG(!strstr(text, "OMP_THREAD_LIMIT"), "%s", text);
    free(text);
    CHECK(used("OMP_THREAD_LIMIT=1", "") == 1);
}

/* A variable that is no limit does not stop two threads. */
TEST(processors, threads_are_given_where_no_limit_forbids_them)
{
    static const char *const variables[] = {
        "OMP_DYNAMIC=true",
        "OMP_THREAD_LIMIT=2",
        "OMP_NUM_THREADS=1",
        "OMP_DYNAMIC=true OMP_THREAD_LIMIT=2 OMP_MAX_ACTIVE_LEVELS=0",
    };

    if (environment_cores() < 2)
        SKIP("there is one CPU");
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        CHECK_MSG(used(variables[i], "--threads=2") == 2, "%s", variables[i]);
}

/* A mask is not OpenMP's doing, whatever its variables are. */
TEST(processors, a_refusal_names_the_mask)
{
    static const char *const variables[] = { "", "OMP_DYNAMIC=true",
                                             "OMP_THREAD_LIMIT=1",
                                             "OMP_PROC_BIND=true" };
    CpuMask one = { { 0 } };

    mask_add(&one, first_cpu());
    mask_set(&one);
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        char *text;

        program_after(&text, variables[i],
                      "run --module=se --channels=16 --threads=2 --db=%s",
                      temp_path("masked.db"));
        CHECK_MSG(strstr(text, "threads=2: this process may use 1 of the "
                               "machine's"),
                  "%s: %s", variables[i], text);
        CHECK_MSG(!strstr(text, "OMP_"), "%s: %s", variables[i], text);
        free(text);
    }
}

TEST(processors, one_core_and_one_thread_are_enough)
{
    CpuMask one = { { 0 } };

    CHECK(used("", "--threads=1") == 1);
    mask_add(&one, first_cpu());
    mask_set(&one);
    CHECK(used("", "") == 1); /* the program inherits it */
    CHECK(used("OMP_PROC_BIND=true", "") == 1);
    CHECK(measured("", "", "SELECT cores FROM latest" LAST) == 1);
}

/* Where one of our threads is pinned is no business of a peer's. */
TEST(processors, a_peer_has_the_same_cpus)
{
    const char *seen = temp_path("seen");
    char *text, wanted[64], got[256];
    CpuMask one = { { 0 } };
    FILE *f;

    mask_add(&one, first_cpu());
    mask_set(&one);
    /* It says nothing, and ends. */
    CHECK(program(&text,
                  "run --module=se --channels=16 --db=%s "
                  "--peer='grep Cpus_allowed_list /proc/self/status >%s'",
                  temp_path("peer.db"), seen) != 0);
    free(text);
    f = fopen(seen, "r");
    REQUIRE(f && fgets(got, sizeof(got), f));
    fclose(f);
    snprintf(wanted, sizeof(wanted), "Cpus_allowed_list:\t%d\n", first_cpu());
    CHECK_MSG(!strcmp(got, wanted), "%s", got);
}

/* The mask of this process as it is now, not as it was started with. */
TEST(processors, a_mask_that_was_set_later_counts)
{
    CpuMask one = { { 0 } }, now;
    Team team;

    mask_add(&one, first_cpu());
    mask_set(&one);
    REQUIRE(team_open(&team, 0, false) == OK);
    CHECK(team.threads == 1 && team.cpu[0] == first_cpu());
    team_close(&team);
    REQUIRE(mask_read(&now) == OK);
    CHECK(mask_count(&now) == 1);
}

/* ---- control groups, real ones ---------------------------------------------- */

/* Makes a group of version 1 with this process in it; its folder. */
static void enter(char path[256], const char *controller)
{
    char pid[32], file[300];

    snprintf(path, 256, "/sys/fs/cgroup/%s/attnbench-test-%d", controller,
             (int)getpid());
    if (mkdir(path, 0755))
        SKIP("this process may not make control groups");
    snprintf(file, sizeof(file), "%s/cgroup.procs", path);
    snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    write_text(file, pid);
}

static void leave(const char *path, const char *controller)
{
    char file[300], pid[32];

    snprintf(file, sizeof(file), "/sys/fs/cgroup/%s/cgroup.procs", controller);
    snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    write_text(file, pid);
    rmdir(path);
}

TEST(processors, a_real_quota_is_kept_to)
{
    char path[256], file[300], *text = NULL, *swept = NULL;
    GroupLimits got, after = { 0 };
    int one = -1;

    if (access("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", F_OK) &&
        access("/sys/fs/cgroup/cpu/cgroup.procs", F_OK))
        SKIP("there is no cpu controller of version 1 here");
    enter(path, "cpu");
    snprintf(file, sizeof(file), "%s/cpu.cfs_quota_us", path);
    write_text(file, "30000\n");
    group_limits(&got, "");
    if (got.cpus <= 1) {
        one = used("", "");
        program(&swept,
                "run --module=se --batch=64 --threads=%d --limit=2 --db=%s",
                environment_cores(), temp_path("q.db"));
        group_limits(&after, "");
        program(&text, "doctor --db=%s", temp_path("d.db"));
    }
    leave(path, "cpu");
    if (got.cpus > 1)
        SKIP("this kernel takes no quota");
    CHECK_MSG(got.cpus <= 0.3, "%g", got.cpus);
    CHECK(one == 1);
    CHECK_MSG(strstr(text, "!!  cpu quota"), "%s", text);
    if (after.throttled > got.throttled) /* not where others took the cores */
        CHECK_MSG(strstr(swept, "the quota of processor time stopped"), "%s",
                  swept);
    CHECK_MSG(strstr(text, "threads      1 unless --threads"), "%s", text);
    free(swept);
    free(text);
}

TEST(processors, a_real_limit_of_memory_is_seen)
{
    char path[256], file[300];
    double with = INFINITY;

    if (access("/sys/fs/cgroup/memory/memory.limit_in_bytes", F_OK) &&
        access("/sys/fs/cgroup/memory/cgroup.procs", F_OK))
        SKIP("there is no memory controller of version 1 here");
    enter(path, "memory");
    snprintf(file, sizeof(file), "%s/memory.limit_in_bytes", path);
    write_text(file, "209715200\n");
    with = memory_available();
    leave(path, "memory");
    CHECK_MSG(with <= 209715200, "%g", with);
    CHECK(memory_available() != INFINITY);
}

/* ---- the machine's own choice ------------------------------------------------ */

#ifdef __SSE2__
static const bool has_sse = true;
#else
static const bool has_sse = false;
#endif

TEST(doctor, says_what_code_was_chosen)
{
    char *text, wanted[128];

    CHECK(program_after(&text, "OMP_NUM_THREADS=1", "doctor --db=%s",
                        temp_path("doctor.db")) == 0);
    snprintf(wanted, sizeof(wanted), "ok  own kernels  %s", cpu_isa_name(0));
    CHECK_MSG(strstr(text, wanted), "%s", text);
    snprintf(wanted, sizeof(wanted), "  oneDNN       %s", onednn_isa());
    CHECK_MSG(strstr(text, wanted), "%s", text);
    snprintf(wanted, sizeof(wanted),
             "ok  threads      %d unless --threads is given; "
             "OMP_NUM_THREADS=1 is not used",
             usual());
    CHECK_MSG(strstr(text, wanted), "%s", text);
    CHECK(strstr(text, "  AMX "));
    CHECK(!strstr(text, "inf GiB"));
    free(text);
    program_after(&text, "ONEDNN_MAX_CPU_ISA=SSE41", "doctor --db=%s",
                  temp_path("doctor.db"));
    snprintf(wanted, sizeof(wanted),
             "!!  oneDNN       %s: limited by ONEDNN_MAX_CPU_ISA=SSE41",
             has_sse ? "sse41" : onednn_isa());
    CHECK_MSG(strstr(text, wanted), "%s", text);
    free(text);
}

/* A row says under which limit it was measured. */
TEST(processors, a_limited_library_is_part_of_the_build)
{
    CHECK(measured("ONEDNN_MAX_CPU_ISA=SSE41", "",
                   "SELECT libraries LIKE '% with ONEDNN_MAX_CPU_ISA=SSE41,%' "
                   "FROM build" LAST) == 1);
}

/* ---- networks on lesser processors ------------------------------------------- */

/* Networks from weights to logits, as another program computed them. */
#define NETWORKS                                                    \
    "tests/cases/swin_t_scsa.safetensors tests/cases/resnet18_fca." \
    "safetensors"

static void check_networks(const char *isa, const char *limit)
{
    char *text, variables[64];
    int code;

    setenv("ONEDNN_MAX_CPU_ISA", limit, 1);
    if (strcasecmp(onednn_isa(), limit))
        SKIP("this processor lacks the instructions");
    snprintf(variables, sizeof(variables), "ONEDNN_MAX_CPU_ISA=%s", limit);
    code = program_after(&text, variables,
                         "verify --isa=%s --graph=folded " NETWORKS, isa);
    CHECK_MSG(code == 0 && strstr(text, "2 passed, 0 failed, 0 skipped"),
              "%s --isa=%s\n%s", variables, isa, text);
    free(text);
}

/* In bf16, whose definition is slow: on small images, and compared as a run
 * is. */
static void check_bf16(const char *limit)
{
    char variables[64];

    snprintf(variables, sizeof(variables), "ONEDNN_MAX_CPU_ISA=%s", limit);
    CHECK(measured(variables,
                   "--module=se --backbone=mobilenetv2_100 --graph=folded "
                   "--dtype=bf16 --channels=3 --height=32 --width=32",
                   "SELECT status = 'ok' AND dtype = 'bf16' FROM run" LAST) ==
          1);
}

TEST(processors, networks_are_right_as_generic)
{
    check_networks("generic", "SSE41");
}

TEST(processors, networks_are_right_as_avx2)
{
    check_networks("avx2", "AVX2");
}

TEST(processors, networks_are_right_as_avx512)
{
    check_networks("avx512", "AVX512_CORE");
}

TEST(processors, networks_are_right_as_avx512_bf16)
{
    check_networks("avx512_bf16", "AVX512_CORE_BF16");
    check_bf16("AVX512_CORE_BF16");
}

TEST(processors, networks_are_right_as_amx)
{
    check_networks("amx", "AVX512_CORE_AMX");
    check_bf16("AVX512_CORE_AMX");
}

TEST(processors, an_isa_is_forced_or_refused)
{
    char *text;

    CHECK(program(&text, "verify --isa=avx1024 " NETWORKS) != 0);
    CHECK_MSG(strstr(text, "avx1024"), "%s", text);
    free(text);
    CHECK(program(&text, "verify --backend=ref --isa=avx2 " NETWORKS) != 0);
    CHECK_MSG(strstr(text, "leave out --isa"), "%s", text);
    free(text);
    for (int i = 0; cpu_isa_known(i); i++) {
        bool here = false;
        int code;

        for (int k = 0; cpu_isa_name(k); k++)
            here |= !strcmp(cpu_isa_name(k), cpu_isa_known(i));
        code = program(&text,
                       "verify --isa=%s tests/cases/se_settings1.safetensors",
                       cpu_isa_known(i));
        CHECK_MSG((code == 0) == here, "%s", text);
        free(text);
    }
}
