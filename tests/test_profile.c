/*
 * test_profile.c - a profile has every step once, and its sums are right.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "harness/explain/launches.h"
#include "harness/explain/profile_split.h"
#include "harness/explain/profiler.h"
#include "harness/network/network.h"
#include "harness/network/seed.h"
#include "kernels/core/err.h"
#include "tests/databases.h"
#include "tests/test.h"
#include "tests/texts.h"

TEST(profile, has_every_step_once_and_sums_that_agree)
{
    const WeightValues values = { .seed = 1 };
    Device *dev = NULL;
    ProfileSplit kinds;
    double outside = 0, sum = 0;
    Plan *plan = NULL;
    Graph *g = NULL;
    Tensor *input;
    float *x;
    int steps = 0;
    Profile p;
    Cost cost = { 0 };
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "module", "scsa") == OK);
    CHECK(case_set(&c, "height", "14") == OK);
    CHECK(case_set(&c, "width", "14") == OK);
    CHECK(case_complete(&c) == OK);
    REQUIRE(ref_backend.open(&dev, &(DeviceSettings){ 0, "" }) == OK);
    REQUIRE(network_build(&g, &c, &values, TAPS_NONE) == OK);
    REQUIRE(plan_new(&plan, dev, g) == OK);
    input = graph_find(g, "input");
    x = malloc(tensor_bytes(input));
    seed_input(x, tensor_count(input), "input", 1);
    REQUIRE(plan_set(plan, input, x) == OK);
    REQUIRE(profile_plan(&p, &(Profiling){ .dev = dev, .plan = plan }) == OK);

    CHECK(p.n == plan_steps(plan) && p.rounds >= 5 && p.whole_ns > 0);
    profile_split(&kinds, &p, PROFILE_OP);
    for (int i = 0; i < kinds.n; i++) {
        const ProfileRow *r = &kinds.row[i];

        steps += r->steps;
        sum += r->ns;
        cost_add(&cost, &r->cost);
        if (strcmp(r->name, "conv2d") != 0 && strcmp(r->name, "dwconv1d") != 0)
            outside += r->ns;
        CHECK(i == 0 || r[-1].ns >= r->ns);
    }
    CHECK(steps == p.n);
    CHECK(sum > 0.999 * p.sum_ns && sum < 1.001 * p.sum_ns);
    CHECK(outside > 0.999 * p.outside_ns && outside < 1.001 * p.outside_ns);
    CHECK(cost.flops == network_cost(g, &c).flops);
    profile_split_free(&kinds);
    profile_free(&p);
    plan_free(plan);
    graph_free(g);
    dev->backend->close(dev);
    free(x);
}

/* A device's counters: 7 bytes a step, no occupancy, and a kernel's time. */
static int count_sevens(Device *dev, const Counting *c)
{
    (void)dev;
    for (int i = 0; i < c->steps; i++) {
        TRY(c->launch(c->arg, i));
        c->take(c->arg, &(Counted){ i, "l2_bytes", 7, "" });
    }
    c->take(c->arg, &(Counted){ ALL_STEPS, c->metrics, NAN, "it is hidden" });
    c->take(c->arg, &(Counted){ 3, "time_ns", 5, "", "flat<float>", true });
    return OK;
}

TEST(profile, what_is_counted_becomes_rows_beside_the_others)
{
    Profiling how = { .dtype = F32, .metrics = "" };
    StoredProfile rows = { NULL };
    Device *dev = NULL;
    Plan *plan = NULL;
    Graph *g = graph_new();
    Tensor *t = graph_input(g, "x", DIMS(1, 8, 4, 4));
    Backend counting;
    float x[128] = { 1 };

    for (int i = 0; i < 20; i++)
        t = op_relu(g, t);
    graph_output(g, "y", t);
    REQUIRE(ref_backend.open(&dev, &(DeviceSettings){ 0, "" }) == OK);
    REQUIRE(plan_new(&plan, dev, g) == OK);
    REQUIRE(plan_set(plan, graph_find(g, "x"), x) == OK);

    /* a device without counters has no such rows */
    how.dev = dev;
    how.plan = plan;
    CHECK(profile_count(&rows, &how) == OK);
    CHECK(rows.nquantities == 0);

    counting = *dev->backend;
    counting.count = count_sevens;
    dev->backend = &counting;
    how.metrics = "occupancy";
    CHECK(profile_count(&rows, &how) == OK);
    REQUIRE(rows.nquantities == 22);
    for (int i = 0; i < 20; i++)
        CHECK(rows.quantity[i].step == i && rows.quantity[i].value == 7 &&
              rows.quantity[i].source == SOURCE_COUNTED &&
              !rows.quantity[i].launch[0] &&
              !strcmp(rows.quantity[i].name, "l2_bytes"));
    CHECK(rows.quantity[20].step == WHOLE_RUN &&
          isnan(rows.quantity[20].value) &&
          !strcmp(rows.quantity[20].name, "occupancy") &&
          !strcmp(rows.quantity[20].reason, "it is hidden"));
    CHECK(rows.quantity[21].step == 3 && rows.quantity[21].value == 5 &&
          rows.quantity[21].source == SOURCE_TIMED &&
          !strcmp(rows.quantity[21].launch, "flat<float>"));
    stored_profile_free(&rows);
    plan_free(plan);
    graph_free(g);
    ref_backend.close(dev);
}

TEST(profile, refuses_a_state_that_has_no_steps)
{
    char db[600];

    snprintf(db, sizeof(db), "--db=%s", temp_path("a.db"));
    CHECK(cmd_profile(3, (char *[]){ "--module=eca", "--state=graph", db }) ==
          ERR_INPUT);
    CHECK(strstr(err_message(), "give --state=hot or --state=cold"));
    CHECK(cmd_why(0, NULL) == ERR_INPUT);
}

/* ---- kept ----------------------------------------------------------------- */

/* Output of a command, and "--db=" of a database of its own. */
static char *printed(int (*cmd)(int argc, char **argv), const char *db,
                     const char *flags)
{
    const char *path = temp_path("printed.txt");
    char line[512], *argv[16];
    int argc = 0, saved;
    size_t n;

    snprintf(line, sizeof(line), "%s --db=%s", flags, db);
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    fflush(stdout);
    saved = dup(1);
    BUG_IF(!freopen(path, "w", stdout));
    CHECK_MSG(cmd(argc, argv) == OK, "%s: %s", flags, err_message());
    fflush(stdout);
    dup2(saved, 1);
    close(saved);
    return read_bytes(path, &n);
}

TEST(profile, is_kept_with_its_run_and_says_what_each_number_is)
{
    const char *db = temp_path("profile.db");

    free(printed(cmd_profile, db,
                 "--module=se,eca --height=8 --width=8 --seconds=0"));
    CHECK_ASK(db, "SELECT group_concat(module, ' ') FROM run", "se eca");
    CHECK_ASK(db, "SELECT count(*) FROM run WHERE status = 'ok'", "2");
    CHECK_ASK(db, "SELECT experiment FROM sweep WHERE ended_at IS NOT NULL",
              "profile");
    CHECK_ASK(db,
              "SELECT group_concat(op, ' ') FROM (SELECT op FROM step "
              "WHERE run_id = 1 ORDER BY step)",
              "global_avg_pool linear relu linear sigmoid mul");
    /* every step has a time, and what its op states */
    CHECK_ASK(db,
              "SELECT min(n) || ' ' || max(n) FROM (SELECT count(*) AS n "
              "FROM quantity WHERE step >= 0 GROUP BY run_id, step)",
              "4 4");
    CHECK_ASK(db,
              "SELECT group_concat(DISTINCT source) FROM quantity "
              "WHERE name = 'time_ns'",
              "timed");
    CHECK_ASK(db,
              "SELECT count(*) FROM quantity AS whole JOIN run ON run.id = "
              "run_id WHERE step = -1 AND name = 'flops' AND value <> flops",
              "0");
    /* x in, y out, and SE's weights, each once */
    CHECK_ASK(db,
              "SELECT value FROM quantity WHERE run_id = 1 AND "
              "name = 'compulsory_bytes'",
              "34816.0");
    CHECK_ASK(db,
              "SELECT count(*) FROM quantity AS q JOIN run_time USING (run_id) "
              "WHERE step = -1 AND name = 'time_ns' AND value = median_ns",
              "2");
}

/* A list in the settings has commas of its own. */
TEST(profile, csv_has_the_case_as_one_cell)
{
    char *text = printed(cmd_profile, temp_path("profile.db"),
                         "--module=scsa --channels=64 --height=8 --width=8 "
                         "--group_kernel_sizes=3,3,5,5 --seconds=0 "
                         "--format=csv");

    CHECK_MSG(strstr(text, "\n\"attnbench run --module=scsa ") &&
                  strstr(text, "=3,3,5,5\",0,"),
              "%s", text);
    free(text);
}

TEST(profile, why_says_what_binds_and_how_far_the_floor_is)
{
    const char *db = temp_path("why.db");
    char *text = printed(
        cmd_why, db, "--module=scsa,cpca --height=14 --width=14 --seconds=0");

    CHECK_MSG(strstr(text, "scsa composed 1x64x14x14: ") &&
                  strstr(text, "scsa fused 1x64x14x14: ") &&
                  strstr(text, "cpca composed 1x64x14x14: ") &&
                  !strstr(text, "cpca fused"),
              "%s", text);
    CHECK_MSG(strstr(text, " kernels, ") &&
                  strstr(text, "s, 1 kernel, moves 1.0"),
              "%s", text);
    /* the bound itself rests on roofs, which a busy machine may get wrong */
    CHECK_MSG(strstr(text, "-bound at ") &&
                  (strstr(text, " times slower than its roofline bound") ||
                   strstr(text, "did less work than modelled") ||
                   strstr(text, "a contradiction: its lower bound")),
              "%s", text);
    CHECK_ASK(db, "SELECT count(*) FROM run", "3");
    CHECK(atoi(ask(db, "SELECT count(*) FROM roof")) >= 7);
    free(text);
}

/* ---- kernels of a GPU ----------------------------------------------------- */

/* Two steps share a kernel, and one of them has another next to it. */
static Quantity of_kernels[] = {
    { WHOLE_RUN, "", "time_ns", SOURCE_TIMED, 90000, "" },
    { 0, "", "time_ns", SOURCE_TIMED, 40000, "" },
    { 0, "memset", "launches", SOURCE_COUNTED, 1, "" },
    { 0, "memset", "time_ns", SOURCE_TIMED, 2500, "" },
    { 0, "packs<float, Relu>", "launches", SOURCE_COUNTED, 2, "" },
    { 0, "packs<float, Relu>", "time_ns", SOURCE_TIMED, 17500, "" },
    { 0, "", "launches", SOURCE_COUNTED, 3, "" },
    { 1, "packs<float, Relu>", "launches", SOURCE_COUNTED, 1, "" },
    { 1, "packs<float, Relu>", "time_ns", SOURCE_TIMED, 5000, "" },
    { 1, "", "launches", SOURCE_COUNTED, 1, "" },
    { WHOLE_RUN, "", "launches", SOURCE_COUNTED, 4, "" },
};
enum { OF_KERNELS = sizeof(of_kernels) / sizeof(of_kernels[0]) };

/* Text written for the first n of them; free it. */
static char *kernels_written(int n, int top)
{
    const StoredProfile p = { NULL, 0, of_kernels, n };
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    BUG_IF(!f);
    launches_write(f, &p, top);
    fclose(f);
    return text;
}

TEST(profile, kernels_of_a_gpu_are_summed_over_steps_slowest_first)
{
    const char *const head = "\n  launches        us   share  GPU kernel\n",
                      *const first =
                          "         3      22.5  90.0 %  packs<float, Relu>\n",
                      *const second = "         1       2.5  10.0 %  memset\n",
                      *const sum =
                          "         4      25.0          sum of all 2, "
                          "gaps left out\n";
    char all[512], one[512], *text;

    snprintf(all, sizeof(all), "%s%s%s%s", head, first, second, sum);
    snprintf(one, sizeof(one), "%s%s%s", head, first, sum);
    text = kernels_written(OF_KERNELS, 15);
    CHECK_MSG(!strcmp(text, all), "%s", text);
    free(text);
    text = kernels_written(OF_KERNELS, 1);
    CHECK_MSG(!strcmp(text, one), "%s", text);
    free(text);
    text = kernels_written(2, 15);
    CHECK_MSG(!text[0], "%s", text);
    free(text);
}

/* Fifteen minutes of them, by a name of the full length. */
TEST(profile, a_kernel_has_its_whole_name_and_numbers_their_columns)
{
    Quantity q[] = {
        { 0, "", "time_ns", SOURCE_TIMED, 900e9, "" },
        { 0, "", "launches", SOURCE_COUNTED, 123456789, "" },
        { 0, "small", "time_ns", SOURCE_TIMED, 1000, "" },
        { 0, "small", "launches", SOURCE_COUNTED, 1, "" },
    };
    const StoredProfile p = { NULL, 0, q, 4 };
    char name[sizeof(q[0].launch)], *text = NULL;
    const char *line;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    BUG_IF(!f);
    memset(name, 'k', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    memcpy(q[0].launch, name, sizeof(name));
    memcpy(q[1].launch, name, sizeof(name));
    launches_write(f, &p, 15);
    fclose(f);
    check_holds(text, "\n  123456789  900000000.0  100.0 %  kkkk");
    check_holds(text, "\n          1          1.0    0.0 %  small\n");
    check_holds(text, "\n   launches           us    share  GPU kernel\n");
    line = strstr(text, name);
    CHECK_MSG(line && line[strlen(name)] == '\n', "%s", text);
    free(text);
}

TEST(profile, of_a_cold_run_says_whether_it_was)
{
    const char *db = temp_path("cold.db");
    char *text = printed(
        cmd_profile, db,
        "--module=se --height=8 --width=8 --state=cold,hot --seconds=0");
    const char *cold = strstr(text, "cold: not checked: ");

    /* no CPU counts the bytes of its memory: said of the cold run alone */
    CHECK_MSG(cold && !strstr(cold + 1, "cold: "), "%s", text);
    CHECK_ASK(db,
              "SELECT group_concat(state, ' ') FROM run WHERE status = 'ok'",
              "cold hot");
    CHECK_ASK(db, "SELECT count(DISTINCT run_id) FROM sample", "2");
    /* x and SE's weights; and y besides */
    CHECK_ASK(db,
              "SELECT value FROM quantity WHERE run_id = 1 AND "
              "name = 'compulsory_read_bytes'",
              "18432.0");
    CHECK_ASK(db,
              "SELECT count(*) FROM quantity WHERE name = 'working_set_bytes' "
              "AND (value IS NULL) = (run_id = 1)",
              "2");
    free(text);
}

/* A cold run, and what a counter said of it. */
static void store_cold(const char *db, double read_bytes)
{
    Quantity q = { .step = WHOLE_RUN,
                   .name = "dram_read_bytes",
                   .source = SOURCE_COUNTED,
                   .value = read_bytes };
    Profiled p;
    Case c;
    Store *s;
    int64_t sweep;

    case_defaults(&c);
    CHECK(case_set(&c, "module", "se") == OK);
    CHECK(case_set(&c, "height", "8") == OK);
    CHECK(case_set(&c, "width", "8") == OK);
    CHECK(case_set(&c, "state", "cold") == OK);
    CHECK(case_complete(&c) == OK);
    REQUIRE(profiler_run(&p, &c, 0, "none") == OK);
    CHECK(trial_ok(&p.arm) && p.arm.n >= 5);
    p.rows.quantity =
        realloc(p.rows.quantity, ((size_t)p.rows.nquantities + 1) * sizeof(q));
    p.rows.quantity[p.rows.nquantities++] = q;
    profiler_check_cold(&p);
    REQUIRE(make_database(db, 1) == OK);
    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    sweep = atoi(ask(db, "SELECT max(id) FROM sweep"));
    REQUIRE(profiler_store(&p, s, sweep) == OK);
    store_close(s);
    profiler_free(&p);
}

TEST(profile, a_run_that_read_too_little_was_not_cold_and_has_failed)
{
    const char *db = temp_path("not_cold.db");
    static const char status[] =
        "SELECT status FROM run WHERE state = 'cold' AND module = 'se'";
    static const char samples[] =
        "SELECT count(*) FROM sample JOIN run ON run.id = run_id "
        "WHERE state = 'cold'";

    store_cold(db, 18432 * 0.98);
    CHECK_ASK(db, status, "failed");
    CHECK_ASK(db, samples, "0");
    CHECK_ASK(db, "SELECT message FROM run WHERE state = 'cold'",
              "the run was not cold: it read 18063 of the 18432 bytes that "
              "it must read from memory");
    CHECK_ASK(db, "SELECT count(*) > 0 FROM quantity", "1");
    db = temp_path("was_cold.db");
    store_cold(db, 18432 * 0.995);
    CHECK_ASK(db, status, "ok");
    CHECK(atoi(ask(db, samples)) >= 5);
}

/* Steps that take 50.7 ms, run as a whole in 762: a share of what?  Both ways,
 * and what to do about it, by where it ran. */
TEST(profile, says_when_its_steps_and_the_whole_disagree)
{
    static const struct {
        double whole_ns; /* the steps take 100 */
        int threads;     /* 0: a GPU           */
        const char *said, *unsaid;
    } wanted[] = {
        { 119, 2, "", NULL },
        { 119, 0, "", NULL },
        { 84, 1, "", NULL },
        { 1500, 2, "takes 15.00 times the sum of its steps", "less busy" },
        { 1500, 2, "try --threads=1", NULL },
        { 121, 1, "takes 1.21 times the sum", "--threads" },
        { 121, 1, "when the machine is less busy", NULL },
        { 150, 0, "the device waited between steps", "--threads" },
        { 82, 2, "sum of the steps takes 1.22 times the whole", "overlap" },
        { 82, 2, "or are hardly longer than a look at the clock", NULL },
        { 50, 0, "takes 2.00 times the whole run", "threads" },
        { 50, 0, "or overlap in the whole run", NULL },
    };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        const Backend backend = { .host_memory = wanted[i].threads > 0 };
        const Device dev = { .backend = &backend,
                             .threads = wanted[i].threads };
        const Profile p = { .sum_ns = 100, .whole_ns = wanted[i].whole_ns };
        char text[PROFILE_GAP];

        profile_gap(&p, &dev, text);
        CHECK_MSG(strstr(text, wanted[i].said) &&
                      !text[0] == !wanted[i].said[0],
                  "'%s' is not in '%s'", wanted[i].said, text);
        CHECK_MSG(!wanted[i].unsaid || !strstr(text, wanted[i].unsaid), "%s",
                  text);
    }
}
