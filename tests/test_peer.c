/*
 * test_peer.c - the peer that times PyTorch: how it uses its devices
 * (tests/test_torch_device.py), and, where there is a PyTorch, what it says of
 * cases.
 */
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "results/store.h"
#include "tests/test.h"

#define PEER "harness/peers/torch_peer.py"

TEST(peer, uses_pytorch_as_its_devices_want)
{
    if (system("python3 -c 'import unittest' 2>/dev/null"))
        SKIP("there is no python3");
    CHECK(system("python3 tests/test_torch_device.py 2>/dev/null") == 0);
}

/* A Python that has PyTorch: the first of the path, or Debian's. */
static const char *python(void)
{
    static const char *const named[] = { "python3", "/usr/bin/python3" };
    char command[160];

    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof(command),
                 "%s -c 'import importlib.util as u; "
                 "assert u.find_spec(\"torch\") and u.find_spec(\"numpy\")' "
                 "2>/dev/null",
                 named[i]);
        if (system(command) == 0)
            return named[i];
    }
    SKIP("there is no PyTorch (Debian: python3-torch)");
}

/* Both time the cases of these flags, for a moment; the rows are in s. */
static void run(Store **s, const char *flags)
{
    const char *py = python();
    char path[256], command[1024];

    if (access(test_beside("attnbench"), X_OK))
        SKIP("attnbench is not built");
    snprintf(path, sizeof(path), "%s/peer.db", test_tmpdir());
    snprintf(command, sizeof(command),
             "'%s' run %s --db=%s --threads=1 --limit=1 --min_samples=6 "
             "--max_samples=6 "
             "--peer='%s " PEER " --serve' >/dev/null 2>&1",
             test_beside("attnbench"), flags, path, py);
    CHECK_MSG(system(command) >= 0, "%s", command);
    REQUIRE(store_open(s, path, STORE_READ) == OK);
}

/* How many rows of PyTorch's this holds for. */
static int rows(Store *s, const char *where)
{
    char sql[512];
    sqlite3_stmt *q;
    int n = -1;

    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM run JOIN sweep ON sweep.id = sweep_id "
             "WHERE source LIKE 'pytorch %%' AND %s",
             where);
    if (sqlite3_prepare_v2(store_sqlite(s), sql, -1, &q, NULL))
        return n;
    if (sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    return n;
}

/* Ours is at its tenth step of training or later when they are compared. */
TEST(peer, agrees_with_every_pass_of_modules)
{
    Store *s;

    run(&s, "--module=se,scsa --channels=64 --height=14 --width=14 "
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

    run(&s, "--backbone=resnet18 --module=se --height=64 --width=64 "
            "--batch=4 --pass=forward,input_grad,backward,train");
    CHECK(rows(s, "status = 'ok' AND rel_l2 < 2e-5 AND pass = 'forward'") == 1);
    CHECK(rows(s, "status = 'ok' AND rel_l2 < 2e-2 AND pass <> 'forward'") ==
          3);
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

TEST(peer, says_why_a_case_is_not_timed)
{
    const char *py = python(), *bench = test_beside("attnbench");
    char file[256], command[1024];

    if (access(bench, X_OK))
        SKIP("attnbench is not built");
    snprintf(file, sizeof(file), "%s/torch.json", test_tmpdir());
    snprintf(command, sizeof(command),
             "{ '%s' run --module=se --pass=train --dtype=bf16 --dry_run; "
             "'%s' run --module=se --pass=train --state=cold --dry_run; } | "
             "%s " PEER " >%s",
             bench, bench, py, file);
    CHECK(system(command) == 0);
    CHECK(refused(file, "pass=train is not timed here in dtype=bf16"));
    CHECK(refused(file, "state=cold is not timed here"));
}
