/*
 * test_peer.c - the peers: what they have in common and how one uses its
 * devices (in Python), and, where there are PyTorch, ONNX Runtime and OpenVINO,
 * what they say of cases.
 */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "results/store.h"
#include "tests/databases.h"
#include "tests/test.h"

#define PEER      "harness/peers/torch_peer.py"
#define ONNX_PEER "harness/peers/onnx_peer.py"

static void run_python_test(const char *file)
{
    char command[160];

    if (system("python3 -c 'import unittest' 2>/dev/null"))
        SKIP("there is no python3");
    snprintf(command, sizeof(command), "python3 %s 2>/dev/null", file);
    CHECK_MSG(system(command) == 0, "%s", command);
}

TEST(peer, uses_pytorch_as_its_devices_want)
{
    run_python_test("tests/test_torch_device.py");
}

TEST(peer, answers_with_nothing_but_answers)
{
    run_python_test("tests/test_peer_program.py");
}

/* A Python that has PyTorch and, unless it is "", an engine: the first of the
 * path, or Debian's. */
static const char *python(const char *engine)
{
    static const char *const named[] = { "python3", "/usr/bin/python3" };
    char command[256];

    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof(command),
                 "%s -c 'import importlib.util as u; "
                 "assert all(map(u.find_spec, \"torch numpy %s\".split()))' "
                 "2>/dev/null",
                 named[i], engine);
        if (system(command) == 0)
            return named[i];
    }
    if (engine[0])
        SKIP("there is no PyTorch with an engine for ONNX (pip install torch "
             "numpy onnxruntime openvino)");
    SKIP("there is no PyTorch (Debian: python3-torch)");
}

TEST(peer, networks_are_moved_as_a_whole)
{
    char command[160];

    snprintf(command, sizeof(command),
             "%s tests/test_torch_networks.py 2>/dev/null", python(""));
    CHECK_MSG(system(command) == 0, "%s", command);
}

/* Both time the cases of these flags, for a moment; the rows are in s.  The
 * engine is "" for PyTorch itself. */
static void run(Store **s, const char *engine, const char *flags)
{
    const char *py = python(engine);
    char path[256], command[1024];

    if (access(test_beside("attnbench"), X_OK))
        SKIP("attnbench is not built");
    snprintf(path, sizeof(path), "%s/peer.db", test_tmpdir());
    snprintf(command, sizeof(command),
             "'%s' run %s --db=%s --threads=1 --limit=1 --min_samples=6 "
             "--max_samples=6 --peer='%s %s%s --serve' >/dev/null 2>&1",
             test_beside("attnbench"), flags, path, py,
             engine[0] ? ONNX_PEER " --engine=" : PEER, engine);
    CHECK_MSG(system(command) >= 0, "%s", command);
    REQUIRE(store_open(s, path, STORE_READ) == OK);
}

/* How many rows this holds for. */
static int count(Store *s, const char *where)
{
    char sql[512];
    sqlite3_stmt *q;
    int n = -1;

    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM run JOIN sweep ON sweep.id = sweep_id "
             "WHERE %s",
             where);
    if (sqlite3_prepare_v2(store_sqlite(s), sql, -1, &q, NULL))
        return n;
    if (sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return n;
}

/* How many rows of PyTorch's this holds for. */
static int rows(Store *s, const char *where)
{
    char of_pytorch[400];

    snprintf(of_pytorch, sizeof(of_pytorch), "source LIKE 'pytorch %%' AND %s",
             where);
    return count(s, of_pytorch);
}

/* Ours is at its tenth step of training or later when they are compared. */
TEST(peer, agrees_with_every_pass_of_modules)
{
    Store *s;

    run(&s, "",
        "--module=se,scsa --channels=64 --height=14 --width=14 "
        "--batch=4 --pass=forward,input_grad,backward,train");
    CHECK(rows(s, "status = 'ok' AND rel_l2 < 3e-6 AND pass = 'forward'") == 2);
    CHECK(rows(s, "status = 'ok' AND rel_l2 < 1e-5 AND pass = 'input_grad'") ==
          2);
    CHECK(rows(s, "status = 'ok' AND rel_l2 < 5e-5 AND pass = 'backward'") ==
          2);
    CHECK(rows(s, "status = 'ok' AND rel_l2 < 5e-5 AND pass = 'train'") == 2);
    store_close(s);
}

TEST(peer, agrees_with_every_pass_of_a_network)
{
    Store *s;

    run(&s, "",
        "--backbone=resnet18 --module=se --height=64 --width=64 "
        "--batch=4 --pass=forward,input_grad,backward,train");
    CHECK(rows(s, "status = 'ok' AND rel_l2 < 2e-5 AND pass = 'forward'") == 1);
    CHECK(rows(s, "status = 'ok' AND rel_l2 < 2e-2 AND pass <> 'forward'") ==
          3);
    store_close(s);
}

/* Two modules alone; a network, whose graph as_written is not timed.  SCSA's
 * window is larger than the last maps of that network. */
static void check_engine(const char *engine)
{
    Store *s;

    run(&s, engine,
        "--backbone=none,resnet18 --module=se,scsa --height=64 --width=64 "
        "--graph=as_written,folded");
    CHECK(count(s, "source LIKE 'o%' AND status = 'ok' AND rel_l2 < 3e-6 AND "
                   "backbone = 'none'") == 4);
    CHECK(count(s, "source LIKE 'o%' AND status = 'ok' AND rel_l2 < 2e-5 AND "
                   "backbone = 'resnet18' AND graph = 'folded'") == 1);
    CHECK(count(s, "source LIKE 'o%' AND status = 'unsupported' AND message "
                   "LIKE 'graph=as_written is not timed here: o%'") == 1);
    store_close(s);
}

TEST(peer, onnxruntime_agrees)
{
    check_engine("onnxruntime");
}

TEST(peer, openvino_agrees)
{
    check_engine("openvino");
}

/* On a processor that has it. */
TEST(peer, openvino_agrees_in_bf16)
{
    Store *s;

    run(&s, "openvino",
        "--module=se,scsa --channels=64 --height=14 --width=14 --batch=4 "
        "--dtype=bf16");
    CHECK(count(s, "source LIKE 'openvino %' AND status = 'ok'") ==
          count(s, "source = 'attnbench' AND status = 'ok'"));
    CHECK(count(s, "source LIKE 'openvino %' AND status IN ('wrong', "
                   "'failed')") == 0);
    store_close(s);
}

/* The file that it writes by itself holds this reason. */
static bool refused(const char *file, const char *reason)
{
    char command[512];

    snprintf(command, sizeof(command), "grep -q '\"message\": \"%s\"' %s",
             reason, file);
    return system(command) == 0;
}

/* The peer of that engine writes a file, of cases that it does not time. */
static void time_alone(const char *file, const char *engine)
{
    const char *py = python(engine), *bench = test_beside("attnbench");
    char command[1024];

    if (access(bench, X_OK))
        SKIP("attnbench is not built");
    snprintf(command, sizeof(command),
             "{ '%s' run --module=se --pass=train --dtype=bf16 --dry_run; "
             "'%s' run --module=se --pass=train --state=cold --dry_run; "
             "'%s' run --module=se --dtype=f16 --dry_run; } | %s %s%s >%s",
             bench, bench, bench, py, engine[0] ? ONNX_PEER " --engine=" : PEER,
             engine, file);
    CHECK_MSG(system(command) == 0, "%s", command);
}

TEST(peer, says_why_a_case_is_not_timed)
{
    const char *file = temp_path("torch.json");

    time_alone(file, "");
    CHECK(refused(file, "pass=train is not timed here in dtype=bf16"));
    CHECK(refused(file, "state=cold is not timed here"));
    CHECK(refused(file, "dtype=f16 is not timed here on cpu"));
}

TEST(peer, onnxruntime_says_why_a_case_is_not_timed)
{
    const char *file = temp_path("ort.json");

    time_alone(file, "onnxruntime");
    CHECK(refused(file, "pass=train is not timed here"));
    CHECK(refused(file, "dtype=f16 is not timed here: onnxruntime has no "
                        "convolutions or means of f16 on a CPU"));
}
