/*
 * test_table.c - tables of stored runs, to the letter.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/tables.h"
#include "tests/databases.h"
#include "tests/printed.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

/* As the others are called. */
static int peers(Store *s, RunList *runs, const TableOptions *o)
{
    (void)s;
    return table_peers(runs, o);
}

/* ---- networks -------------------------------------------------------- */

/* clang-format off */
static const char networks_text[] =
"ResNet-50 with each module, 3x224x224, as_written\n"
"\n"
"         --------------------- here ---------------------  ---- paper ----\n"
"method   params            images/s              to plain  top-1  to plain\n"
"              M                                                %\n"
"plain     25.60  95.7 [91.7, 100.0]                        76.39\n"
"SE-conv   25.60   87.0 [83.4, 90.9]  0.909 [0.909, 0.909]  77.23     0.854\n"
"SCSA      25.60   76.6 [73.4, 80.0]  0.800 [0.800, 0.800]  77.49     0.830\n"
"SE        25.60   91.1 [87.4, 95.2]  0.952 [0.952, 0.952]\n"
"\n"
"here: a cpu, 2 cores, load 0.5 at the start; resnet50, composed, as written, cpu, f32, batch 4, 3x224x224, forward, hot,\n"
"2 threads; medians of n = 10 with 95 % intervals; 2026-11-22, commit 0123456.\n"
"modules stand after conv2-bn2-ReLU (mid): SCSA; after bn3, before the shortcut (out): SE, SE-conv.\n"
"paper: Table 2 of Si et al. 2025, RTX 4090, batch 32: compare the ratios, not the images/s.\n"
"noise: a second plain network against the first (A/A) gave 0.990 [0.990, 0.990]; differences smaller than this are\nnoise.\n"
"SCSA costs ResNet-50 20.0 % [20.0, 20.0] of its throughput here; in the paper it costs 17.0 %.\n"
"\n";
/* clang-format on */

TEST(table, networks_stand_beside_the_paper)
{
    const char *db = temp_path("bench.db");

    stored_bench(db);
    check_text(print(db, "bench", table_networks, (TableOptions){ 0 }),
               networks_text);
}

TEST(table, networks_as_csv_have_one_number_a_column)
{
    const char *db = temp_path("bench.db");
    char *text;

    stored_bench(db);
    text = print(db, "bench", table_networks,
                 (TableOptions){ .format = TABLE_CSV });
    check_holds(text,
                "source,backbone,module,impl,position,form,"
                "weights,norm_gain,graph,backend,dtype,batch,channels,height,"
                "width,pass,state,threads,copy,settings,weights_hash,cpu,gpu,"
                "cores,git_commit,dirty,started_at,status,converged,"
                "samples,images_per_s_lo,images_per_s_hi,ratio_lo,"
                "ratio_hi,base,direct_percent_lo,direct_percent_hi,"
                "indirect_percent_lo,indirect_percent_hi,quads,"
                "quads_disturbed,quads_left_out,ratio_all,ratio_all_lo,"
                "ratio_all_hi,ratio_of_minima,"
                "method,type,params_millions,gflops_per_image,"
                "images_per_s,ratio,direct_percent,indirect_percent,"
                "in_paper_params_millions,"
                "in_paper_gflops_per_image,in_paper_images_per_s,"
                "in_paper_top1_percent,in_paper_ratio\n");
    check_holds(text, ",ok,1,10,");
    check_holds(text, "SCSA,Hybrid,25.600000,4.110000000,76.555024,0.8,,,25.62,"
                      "4.12,2019,77.49,0.830\n");
    CHECK(!strstr(text, " ["));
    free(text);
}

TEST(table, networks_sort_by_what_is_asked)
{
    const char *db = temp_path("bench.db");
    char *text;

    stored_bench(db);
    text = print(db, "bench", table_networks,
                 (TableOptions){ .sort = "throughput" });
    CHECK(strstr(text, "\nplain ") < strstr(text, "\nSE "));
    CHECK(strstr(text, "\nSE ") < strstr(text, "\nSE-conv "));
    CHECK(strstr(text, "\nSE-conv ") < strstr(text, "\nSCSA "));
    free(text);
}

TEST(table, the_last_sentence_is_about_the_module_in_focus)
{
    const char *db = temp_path("bench.db");
    char *text;

    stored_bench(db);
    text = print(db, "bench", table_networks,
                 (TableOptions){ .focus = "se_conv" });
    check_holds(text, "\nSE-conv costs ResNet-50 9.1 % [9.1, 9.1] of its "
                      "throughput here; in the paper it costs 14.6 %.\n");
    free(text);
}

TEST(table, variants_of_a_module_are_told_apart)
{
    const char *db = temp_path("variants.db");
    Stored s = stored_begin(db, "bench", "attnbench");
    char *text;

    stored_network(&s, "backbone=resnet50", 40e6, 25557032, 4109464576);
    stored_network(&s, "backbone=resnet50 module=scsa norm=bn", 50e6, 25617448,
                   4118612992);
    stored_end(&s);
    text = print(db, "bench", table_networks, (TableOptions){ .focus = "se" });
    check_holds(text, "\nSCSA norm=bn ");
    free(text);
}

/* Plain in the first go at a sweep, the module in the second. */
TEST(table, networks_measured_apart_are_marked)
{
    const char *db = temp_path("resumed.db");
    Stored s = stored_begin(db, "bench", "attnbench");
    const Case plain = stored_case("backbone=resnet50"),
               scsa = stored_case("backbone=resnet50 module=scsa");
    char *text;

    stored_add(&s, &plain, 4e6, "ok");
    stored_add(&s, &scsa, 5e6, "ok");
    stored_end(&s);
    REQUIRE(alter(db, "DROP TRIGGER sample_final; UPDATE sample SET "
                      "round = round + 100 WHERE run_id = 2"));
    text = print(db, "bench", table_networks, (TableOptions){ 0 });
    check_holds(text, " '0.800 [0.");
    check_holds(text, "\n"
                      "' was not interleaved");
    free(text);
}

TEST(table, fused_networks_stand_beside_the_composed)
{
    static const char *const what[] = { "", " module=scsa",
                                        " module=scsa impl=fused" };
    static const double ns[] = { 4e6, 5e6, 4.2e6 };
    const char *db = temp_path("fused.db");
    Stored s = stored_begin(db, "bench", "attnbench");
    char *text;

    for (int i = 0; i < 3; i++) {
        char settings[128];
        Case c;

        snprintf(settings, sizeof(settings), "backbone=resnet50%s", what[i]);
        c = stored_case(settings);
        stored_add(&s, &c, ns[i], "ok");
    }
    stored_end(&s);
    text = print(db, "bench", table_networks, (TableOptions){ 0 });
    check_holds(text, "\nplain ");
    check_holds(text, "\nSCSA         25.60");
    check_holds(text, "\nSCSA fused   25.60");
    check_holds(text, "0.952 [0.952, 0.952]");
    check_holds(text, "\nSCSA costs ResNet-50 20.0 % [20.0, 20.0] of its ");
    check_holds(text, "\nSCSA fused costs ResNet-50 4.8 % [4.8, 4.8] of its ");
    check_holds(text, "\n"
                      "ResNet-50 with SCSA fused is 1.190 [1.190, 1.190] "
                      "times as fast as composed.\n");
    CHECK(!strstr(text, "not measured"));
    free(text);
}

TEST(table, networks_that_are_not_in_the_paper_have_their_title)
{
    const char *db = temp_path("resnet18.db");
    Stored s = stored_begin(db, "bench", "attnbench");
    const Case plain = stored_case("backbone=resnet18"),
               scsa = stored_case("backbone=resnet18 module=scsa");
    char *text;

    stored_add(&s, &plain, 4e6, "ok");
    stored_add(&s, &scsa, 5e6, "ok");
    stored_end(&s);
    text = print(db, "bench", table_networks, (TableOptions){ 0 });
    check_holds(text, "ResNet-18 with each module, ");
    check_holds(text, "SCSA costs ResNet-18 20.0 %");
    free(text);
}

TEST(table, networks_that_failed_keep_their_row_and_reason)
{
    const char *db = temp_path("failed.db");
    Stored s = stored_begin(db, "bench", "attnbench");
    const Case c = stored_case("backbone=resnet50 module=scsa");
    char *text;

    stored_add(&s, &c, 0, "out_of_memory");
    stored_end(&s);
    text = print(db, "bench", table_networks, (TableOptions){ 0 });
    check_holds(text, "(the plain network was not measured)");
    check_holds(text, "out_of_memory");
    CHECK(!strstr(text, "nan") && !strstr(text, "costs"));
    free(text);
}

TEST(table, slices_get_tables_of_their_own)
{
    const char *db = temp_path("graphs.db");
    Stored s = stored_begin(db, "bench", "attnbench");
    char *text;

    for (int folded = 0; folded < 2; folded++)
        for (int plain = 0; plain < 2; plain++) {
            char settings[128];
            Case c;

            snprintf(settings, sizeof(settings),
                     "backbone=resnet50 module=%s graph=%s",
                     plain ? "none" : "scsa", folded ? "folded" : "as_written");
            c = stored_case(settings);
            stored_add(&s, &c, folded ? 1e6 + plain : 2e6 + plain, "ok");
        }
    stored_end(&s);
    text = print(db, "bench", table_networks, (TableOptions){ 0 });
    check_holds(text, "ResNet-50 with each module, 3x224x224, as_written\n");
    check_holds(text, "ResNet-50 with each module, 3x224x224, folded\n");
    free(text);
}

/* ---- modules --------------------------------------------------------- */

/* clang-format off */
static const char modules_text[] =
"Time of a run by attnbench (C x H x W)\n"
"\n"
"module              64x28x28             128x28x28             256x28x28             512x28x28            1024x28x28\n"
"SE      6.69 us [6.40, 6.98]  13.4 us [12.8, 14.0]  26.8 us [25.6, 27.9]  53.5 us [51.2, 55.8]     107 us [102, 112]\n"
"SA               unsupported  17.1 us [16.4, 17.9]  68.5 us [65.5, 71.4]     274 us [262, 286]  1.10 ms [1.05, 1.14]\n"
"SCSA    4.28 us [4.10, 4.46]  17.1 us [16.4, 17.9]  68.5 us [65.5, 71.4]     274 us [262, 286]  1.10 ms [1.05, 1.14]\n"
"\n"
"a cpu, 2 cores, load 0.5 at the start; composed, as written, cpu, f32, batch 1, 28x28 pixels, forward, hot, 2 threads;\n"
"medians of n = 10 with 95 % intervals; 2026-11-22, commit 0123456.\n"
"the time grows with this power of channels, fitted to the 4 largest sizes (1 is linear in channels): SE 1.00 [1.00,\n"
"1.00], SA 2.00 [2.00, 2.00], SCSA 2.00 [2.00, 2.00].\n"
"\n";
/* clang-format on */

TEST(table, modules_are_rows_and_shapes_columns)
{
    const char *db = temp_path("channels.db");

    stored_channels(db);
    check_text(print(db, "channels", table_modules, (TableOptions){ 0 }),
               modules_text);
}

TEST(table, settings_that_follow_the_shape_share_a_row)
{
    const char *db = temp_path("fca.db");
    Stored s = stored_begin(db, "resolution", "attnbench");
    char *text;

    for (int x = 7; x <= 14; x += 7) {
        char settings[128];
        Case c;

        snprintf(settings, sizeof(settings),
                 "module=fca height=%d width=%d dct_h=%d dct_w=%d", x, x, x, x);
        c = stored_case(settings);
        stored_add(&s, &c, 100 * x, "ok");
    }
    stored_end(&s);
    text = print(db, "resolution", table_modules, (TableOptions){ 0 });
    check_holds(text, "\nFCA     732 ns [700, 763]  1.46 us [1.40, 1.53]\n");
    free(text);
}

/* scsa at two shapes and batches, composed and twice as fast fused; se only
 * composed; all of it hot, and cold, which takes ten times as long. */
static void add_stages(const char *db)
{
    static const char *const who[] = { "module=se", "module=scsa",
                                       "module=scsa impl=fused" };
    Stored s = stored_begin(db, "module_stages", "attnbench");

    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 8; i++) {
            const int cold = i & 1, large = i >> 1 & 1, many = i >> 2;
            const double ns = (k == 2 ? 500 : 1000) * (large ? 2 : 1) *
                              (many ? 4 : 1) * (cold ? 10 : 1);
            char settings[128];
            Case c;

            snprintf(settings, sizeof(settings),
                     "%s batch=%d channels=%d height=7 width=7 state=%s",
                     who[k], many ? 32 : 8, large ? 128 : 64,
                     cold ? "cold" : "hot");
            c = stored_case(settings);
            stored_add(&s, &c, ns, "ok");
        }
    stored_end(&s);
}

/* Every column has one batch and one state; under each table of times is what
 * being one op gains. */
TEST(table, states_and_batches_have_tables_of_their_own)
{
    static const char cold[] =
        "Time of a run by attnbench, batch 32, cold (C x H x W)\n\n"
        "module                    64x7x7               128x7x7\n"
        "SE          41.8 us [40.0, 43.6]  83.6 us [80.0, 87.2]\n"
        "SCSA        41.8 us [40.0, 43.6]  83.6 us [80.0, 87.2]\n"
        "SCSA fused  20.9 us [20.0, 21.8]  41.8 us [40.0, 43.6]\n\n";
    static const char ratio[] =
        "Time fused over time composed, batch 32, cold, with 95 % intervals "
        "(C x H x W)\n\n"
        "module                    64x7x7               128x7x7\n"
        "SCSA fused  0.500 [0.500, 0.500]  0.500 [0.500, 0.500]\n\n"
        "fused takes 0.50 of the time of composed (geometric mean of 2 "
        "cases): faster in 2, slower in 0, not resolved in 0.\n";
    static const char *const pages[] = { "batch 8, hot ", "batch 8, cold ",
                                         "batch 32, hot ", "batch 32, cold " };
    const char *db = temp_path("stages.db");
    char *text;

    add_stages(db);
    text = print(db, "module_stages", table_modules, (TableOptions){ 0 });
    for (int i = 0; i < 4; i++)
        check_holds(text, pages[i]);
    check_holds(text, cold);
    check_holds(text, ratio);
    free(text);
}

/* Where nothing but the batch varies, it is the columns. */
TEST(table, batches_of_one_shape_are_columns)
{
    const char *db = temp_path("batches.db");
    Stored s = stored_begin(db, "flags", "attnbench");
    char *text;

    for (int batch = 1; batch <= 4; batch *= 2) {
        Case c = stored_case("module=se");

        c.batch = batch;
        stored_add(&s, &c, 1000 * batch, "ok");
    }
    stored_end(&s);
    text = print(db, "flags", table_modules, (TableOptions){ 0 });
    check_holds(text, "Time of a run by attnbench (C x H x W)\n");
    check_holds(text, "1x64x56x56            2x64x56x56            "
                      "4x64x56x56\n");
    free(text);
}

TEST(table, a_run_a_row_for_programs)
{
    const char *db = temp_path("channels.db");
    char *text;

    stored_channels(db);
    text = print(db, "channels", table_modules,
                 (TableOptions){ .format = TABLE_CSV });
    check_holds(text,
                "source,backbone,module,impl,position,form,weights,norm_gain,"
                "graph,"
                "backend,dtype,batch,channels,height,width,pass,state,threads,"
                "copy,settings,weights_hash,cpu,gpu,cores,git_commit,dirty,"
                "started_at,status,"
                "converged,samples,median_ns,lo_ns,hi_ns\n");
#define WHERE                                                     \
    ",,a cpu,,2,0123456789abcdef0123456789abcdef01234567,0,2026-" \
    "11-22T10:00:00Z,"
    check_holds(text,
                ",64,28,28,forward,hot,0,0,\"{\"\"reduction\"\":16}\"" WHERE
                "ok,1,10,6688,6400,6976\n");
    check_holds(text,
                ",64,28,28,forward,hot,0,0,\"{\"\"group_num\"\":64}\"" WHERE
                "unsupported,1,0,,,\n");
    free(text);
}

TEST(table, reasons_are_printed_with_the_command_that_repeats)
{
    const char *db = temp_path("channels.db");
    const RunFilter filter = { "channels", NULL, 0 };
    char *text = NULL;
    TableOptions o = { 0 };
    RunList runs;
    size_t size;
    Store *s;

    stored_channels(db);
    REQUIRE(store_open(&s, db, STORE_READ) == OK);
    REQUIRE(summary_read(&runs, s, &filter) == OK);
    o.out = open_memstream(&text, &size);
    table_failures(&runs, &o);
    fclose(o.out);
    check_text(text, "unsupported: attnbench run --module=sa --height=28 "
                     "--width=28: because\n");
    summary_free(&runs);
    store_close(s);
}

/* ---- other sources --------------------------------------------------- */

static void add_both(const char *db, const char *experiment)
{
    static const char *const sources[] = { "attnbench", "pytorch 1.13.1" };

    for (int theirs = 0; theirs < 2; theirs++) {
        Stored s = stored_begin(db, experiment, sources[theirs]);

        for (int x = 64; x <= 128; x *= 2) {
            Case c = stored_case("module=se height=28 width=28");

            c.channels = x;
            stored_add(&s, &c, theirs ? 200 * x : 100 * x, "ok");
        }
        stored_end(&s);
    }
}

TEST(table, ratios_to_a_peer_are_paired)
{
    const char *db = temp_path("peer.db");
    char *text;

    add_both(db, "modules");
    text = print(db, "modules", peers, (TableOptions){ 0 });
    check_text(text, "Time by attnbench over time by pytorch 1.13.1, with 95 % "
                     "intervals (C x H x W)\n\n"
                     "module              64x28x28             128x28x28\n"
                     "SE      0.500 [0.500, 0.500]  0.500 [0.500, 0.500]\n\n"
                     "attnbench takes 0.50 of the time of pytorch 1.13.1 "
                     "(geometric mean of 2 cases): faster in 2, slower in 0, "
                     "not resolved\nin 0.\n\n");
}

TEST(table, ratios_of_sweeps_apart_are_marked_and_wider)
{
    const char *db = temp_path("apart.db");
    char *text;

    add_both(db, "modules");
    CHECK(alter(db, "UPDATE start SET seed = 7 WHERE sweep_id = 2"));
    text = print(db, "modules", peers, (TableOptions){ 0 });
    check_holds(text, "'0.500 [0.459, 0.545]");
    check_holds(text, "' was not interleaved");
    check_holds(text, "not resolved\nin 2.");
    free(text);
}

TEST(table, no_peer_no_table)
{
    const char *db = temp_path("channels.db");

    stored_channels(db);
    check_text(print(db, "channels", peers, (TableOptions){ 0 }), "");
}

/* A number of a database that no int holds: differences to it overflow. */
TEST(table, shapes_are_sorted_whatever_their_numbers)
{
    const char *db = temp_path("huge.db");
    Stored s = stored_begin(db, "shapes", "attnbench");
    const Case c[] = { stored_case("module=se channels=64 width=14"),
                       stored_case("module=se channels=64 width=28") };
    char *text;

    stored_add(&s, &c[0], 1e3, "ok");
    stored_add(&s, &c[1], 1e3, "ok");
    stored_end(&s);
    REQUIRE(alter(db, "DROP TRIGGER run_final; UPDATE run SET width = "
                      "2147483648 WHERE width = 28"));
    text = print(db, "shapes", table_modules, (TableOptions){ 0 });
    REQUIRE(strstr(text, "x-2147483648") && strstr(text, "x14"));
    CHECK_MSG(strstr(text, "x-2147483648") < strstr(text, "x14"), "%s", text);
    free(text);
}

/* ---- what can be told ---------------------------------------------------- */

/* Plain twice and with a module, three samples each, as on a busy machine. */
static const char *busy(const char *experiment, int samples)
{
    static const double ns[] = { 40e6, 41e6, 60e6 };
    static const char *const what[] = { "", " copy=1", " module=scsa" };
    const char *db = temp_path("busy.db");
    Stored s = stored_begin(db, experiment, "attnbench");
    char sql[128];

    for (int i = 0; i < 3; i++) {
        char settings[128];
        Case c;

        snprintf(settings, sizeof(settings), "backbone=resnet50%s", what[i]);
        c = stored_case(settings);
        stored_add(&s, &c, ns[i], "ok");
    }
    stored_end(&s);
    snprintf(sql, sizeof(sql), "DELETE FROM sample WHERE i >= %d", samples);
    BUG_IF(!alter(db, sql));
    BUG_IF(!alter(db, "UPDATE start SET load = 5.1, load_end = 6"));
    return db;
}

static const char *busy_bench(int samples)
{
    return busy("bench", samples);
}

TEST(table, three_samples_make_no_headline)
{
    char *text =
        print(busy_bench(3), "bench", table_networks, (TableOptions){ 0 });

    CHECK_MSG(!strstr(text, " costs "), "%s", text);
    check_holds(text, "no difference between ResNet-50 with and without SCSA "
                      "can be measured on this machine");
    check_holds(text, "load 5.1 on 2 cores");
    check_holds(text, "n = 3)");
    check_holds(text, "run_tests run bench --budget=600\n");
    /* a load may be of the build that came before */
    CHECK_MSG(!strstr(text, "other programs"), "%s", text);
    free(text);
    text = print(busy_bench(10), "bench", table_networks, (TableOptions){ 0 });
    check_holds(text, "\nSCSA costs ResNet-50 33.3 %");
    free(text);
}

/* There is no experiment of the name that runs without one have. */
TEST(table, what_flags_measured_is_measured_longer_by_the_same_command)
{
    char *text =
        print(busy("flags", 3), "flags", table_networks, (TableOptions){ 0 });

    check_holds(text, "running: run the same command with --budget=600\n");
    free(text);
    text = print(busy("my bench", 3), "my bench", table_networks,
                 (TableOptions){ 0 });
    check_holds(text, "run_tests run 'my bench' --budget=600\n");
    free(text);
}

/* Without a second plain network, nothing is known of two. */
TEST(table, noise_that_was_not_measured_has_no_number)
{
    const char *db = busy_bench(3);
    char *text;

    REQUIRE(alter(db, "DELETE FROM sample WHERE run_id = 2;"
                      "DELETE FROM run WHERE id = 2"));
    text = print(db, "bench", table_networks, (TableOptions){ 0 });
    check_holds(text, "can be measured on this machine");
    CHECK_MSG(!strstr(text, "two plain networks"), "%s", text);
    free(text);
}

TEST(table, an_interval_that_reaches_into_the_noise_makes_no_headline)
{
    const char *db = busy_bench(10);
    char *text;

    /* the second plain network is slower than the one with a module, half of
     * the time */
    REQUIRE(alter(db, "DROP TRIGGER sample_final; UPDATE sample SET ns = 80e6 "
                      "WHERE run_id = 2 AND i % 2"));
    text = print(db, "bench", table_networks, (TableOptions){ 0 });
    CHECK_MSG(!strstr(text, " costs "), "%s", text);
    check_holds(text, "can be measured on this machine");
    free(text);
}

/* Plain is slow in most of its rounds, but in those that it shares with the
 * module it is faster. */
TEST(table, medians_and_ratios_of_two_signs_have_a_footnote)
{
    const char *db = busy_bench(10);
    char *text;

    REQUIRE(alter(db, "DROP TRIGGER sample_final; UPDATE sample SET ns = 90e6, "
                      "round = 100 + i WHERE run_id = 1 AND i >= 4;"
                      "UPDATE sample SET ns = 30e6 WHERE run_id = 3 AND i >= 4;"
                      "UPDATE sample SET round = 200 + i WHERE run_id = 3 AND "
                      "i >= 4"));
    text = print(db, "bench", table_networks, (TableOptions){ 0 });
    check_holds(text, "point in opposite directions: SCSA.");
    free(text);
    text = print(busy_bench(10), "bench", table_networks, (TableOptions){ 0 });
    CHECK(!strstr(text, "opposite"));
    free(text);
}

TEST(table, shapes_that_grow_have_exponents)
{
    const char *db = temp_path("grow.db");
    char *text;

    stored_resolution(db);
    text = print(db, "resolution", table_modules, (TableOptions){ 0 });
    check_holds(text, "power of the side of the map, fitted to the 4 largest ");
    check_holds(text, "SE 1.00\n[1.00, 1.00], SA"); /* where the line ends */
    check_holds(text, "SCSA 2.00 [2.00, 2.00]");
    free(text);
    stored_channels(db);
    text = print(db, "channels", table_modules, (TableOptions){ 0 });
    check_holds(text, "power of channels");
    free(text);
}
