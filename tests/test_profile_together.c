/*
 * test_profile_together.c - cases that are profiled in the same rounds: whose
 * turn it is, which cases may be, and what the command prints of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/explain/profile.h"
#include "harness/explain/profiler.h"
#include "kernels/core/err.h"
#include "kernels/ops/ops.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

/* Log of the runs of all plans: each writes the letter of its device. */
static char told[256];

static int start_clock(Device *dev)
{
    const size_t n = strlen(told);

    if (n + 1 < sizeof(told)) {
        told[n] = dev->about[0];
        told[n + 1] = '\0';
    }
    return ref_backend.clock_start(dev);
}

static int evict(Device *dev)
{
    (void)dev;
    return OK;
}

typedef struct Small {
    Profiling how;
    Graph *g;
    Profile p;
} Small;

/* A relu on a device of that letter. */
static Small small_new(char letter, const Backend *backend, bool cold)
{
    Small s = { .how = { .metrics = "", .cold = cold }, .g = graph_new() };
    Tensor *x = graph_input(s.g, "x", DIMS(1, 8));
    float values[8] = { 1 };

    graph_output(s.g, "y", op_relu(s.g, x));
    BUG_IF(ref_backend.open(&s.how.dev, NULL));
    s.how.dev->backend = backend;
    snprintf(s.how.dev->about, sizeof(s.how.dev->about), "%c", letter);
    BUG_IF(plan_new(&s.how.plan, s.how.dev, s.g));
    BUG_IF(plan_set(s.how.plan, x, values));
    return s;
}

static void small_free(Small *s)
{
    profile_free(&s->p);
    plan_free(s->how.plan);
    graph_free(s->g);
    ref_backend.close(s->how.dev);
}

static void check_turns(bool cold, const char *wanted)
{
    Backend watched = ref_backend;
    Small a, b;

    watched.clock_start = start_clock;
    watched.evict = evict;
    a = small_new('a', &watched, cold);
    b = small_new('b', &watched, cold);
    told[0] = '\0';
    CHECK(profile_together((Profile *[]){ &a.p, &b.p },
                           (Profiling[]){ a.how, b.how }, 2) == OK);
    CHECK_MSG(!strcmp(told, wanted), "%s", told);
    CHECK(a.p.rounds == 6 && b.p.rounds == 6 && a.p.n == 1 && b.p.n == 1);
    CHECK(a.p.whole_ns > 0 && b.p.sum_ns > 0);
    small_free(&b);
    small_free(&a);
}

/* Untimed, whole and by steps; an evicted run needs no untimed one. */
TEST(profile_together, turns_go_there_and_back)
{
    check_turns(false, "aaabbbbbbaaaaaabbbbbbaaaaaabbbbbbaaa");
    check_turns(true, "aabbbbaaaabbbbaaaabbbbaa");
}

static bool alike(const char *a, const char *b)
{
    const Case x = stored_case(a), y = stored_case(b);

    return profiler_alike(&x, &y) && profiler_alike(&y, &x);
}

TEST(profile_together, all_but_the_module_must_be_equal)
{
    CHECK(alike("backbone=resnet18", "backbone=resnet18 module=scsa"));
    CHECK(alike("backbone=resnet18 module=se", /* position=out */
                "backbone=resnet18 module=scsa impl=fused"));
    /* whose norm gains differ */
    CHECK(alike("backbone=mobilenetv2_100",
                "backbone=mobilenetv2_100 module=scsa"));
    CHECK(alike("module=se reduction=4", "module=se reduction=16"));
    CHECK(!alike("backbone=resnet18", "backbone=resnet34"));
    CHECK(!alike("backbone=resnet18", "backbone=resnet18 batch=2"));
    CHECK(!alike("backbone=resnet18", "backbone=resnet18 graph=folded"));
    CHECK(!alike("backbone=resnet18", "backbone=resnet18 state=cold"));
    CHECK(!alike("backbone=resnet18", "backbone=resnet18 threads=1"));
    CHECK(!alike("module=se channels=32", "module=se channels=64"));
}

/* ---- what is printed ----------------------------------------------------- */

/* Number of times that part is in text. */
static int times_in(const char *text, const char *part)
{
    int n = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        n++;
    return n;
}

TEST(profile_together, later_cases_show_how_they_differ_from_the_first)
{
    const char *db = temp_path("together.db"), *first, *second;
    char *said;

    CHECK(program(&said,
                  "profile --backbone=mobilenetv2_100 --height=32 --width=32 "
                  "--module=none,se --by=module --top=0 --seconds=0 "
                  "--threads=1 --db=%s",
                  db) == 0);
    first = said;
    second = strstr(said + 1, "attnbench run ");
    REQUIRE(first && second);
    CHECK_MSG(!strstr(first, "difference") ||
                  strstr(first, "difference") > second,
              "%s", said);
    check_holds(second, "difference");
    CHECK(times_in(second, ".attn ") == 17 && times_in(said, ".attn ") == 17);
    check_holds(second, "\nmodules: ");
    check_holds(second, "\nindirect: the network's own steps ");
    CHECK(times_in(said, " GFLOP/s") == 0 && times_in(said, "modules: ") == 1);
    CHECK_ASK(db, "SELECT count(*) FROM run WHERE status = 'ok'", "2");
    CHECK_ASK(db,
              "SELECT count(*) FROM (SELECT DISTINCT run_id, count(*) AS n "
              "FROM sample GROUP BY run_id) WHERE n = 6",
              "2");
    free(said);
}

/* Where a step is of both, the network's own cannot be compared. */
TEST(profile_together, csv_by_module_has_every_row_of_both)
{
    char *said;

    CHECK(program(&said,
                  "profile --backbone=resnet18 --height=32 --width=32 "
                  "--module=cpca,none --position=out --graph=folded "
                  "--by=module --format=csv --seconds=0 --threads=1 --db=%s",
                  temp_path("csv.db")) == 0);
    check_holds(said, "case,module,steps,median_ns,share,difference_ns,"
                      "difference_lo_ns,difference_hi_ns\n");
    /* the first has no difference; the second no modules */
    CHECK(times_in(said, ",layer1.0.attn,") == 2);
    CHECK(times_in(said, ",layer1.0.attn (mixed),1,") == 1);
    CHECK(times_in(said, ",,,\n") == 12 + 2 * 8);
    CHECK(times_in(said, ",layer1.0.attn,0,0,0.000000,-") == 1);
    CHECK(times_in(said, ",layer1.0.attn (mixed),0,0,0.000000,-") == 1);
    free(said);
}
