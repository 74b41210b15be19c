/*
 * test_verify.c - case files: what is right passes, and with one thing changed
 * does not.
 */
#include "harness/check/verify.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "harness/files/safetensors.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/onednn/onednn.h"
#include "tests/fake_device.h"
#include "tests/test.h"

static const char *const se_case = "tests/cases/se_settings1.safetensors";
static const char *const sa_case = "tests/cases/sa_c64_14x14.safetensors";
static const char *const resnet_case =
    "tests/cases/resnet50_se_conv.safetensors";

TEST(verify, error_is_relative_to_what_is_expected)
{
    const float a[] = { 3, 4 }, b[] = { 3, 4.5f }, zero[] = { 0, 0 };
    const float nan[] = { 3, NAN };

    CHECK(verify_error(a, a, 2) == 0);
    CHECK(fabs(verify_error(b, a, 2) - 0.1) < 1e-12);
    CHECK(verify_error(zero, zero, 2) == 0);
    CHECK(isinf(verify_error(a, zero, 2)));
    CHECK(isnan(verify_error(nan, a, 2)));
}

/* ---- case files with one thing changed ---------------------------------- */

/* Change to make in a copy of a case file. */
typedef struct Change {
    const char *drop;        /* a tensor to leave out                        */
    const char *rename_to;   /* or to call this                              */
    const char *nudge;       /* a tensor whose first value is multiplied ... */
    float by;                /* ... by this                                  */
    const char *flatten;     /* a tensor to store as one dim                 */
    const char *key, *value; /* a metadata string to set                   */
    const char *says;        /* what the sentence has, "" for an error only */
    VerifyVerdict verdict;
} Change;

static bool is(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static void copy_tensor(StWriter *w, const Safetensors *st, const StTensor *t,
                        const Change *c)
{
    float *values = malloc(t->count * sizeof(*values));
    const int flat[1] = { (int)t->count };
    int dim[ST_MAX_RANK];
    const char *name = t->name;

    CHECK(st_read(st, t, values) == OK);
    for (int i = 0; i < t->rank; i++)
        dim[i] = (int)t->dim[i];
    if (is(c->nudge, name))
        values[0] *= c->by;
    if (is(c->drop, name) && c->rename_to)
        name = c->rename_to;
    if (is(c->flatten, name))
        st_writer_tensor(w, name, 1, flat, values);
    else if (!is(c->drop, name))
        st_writer_tensor(w, name, t->rank, dim, values);
    free(values);
}

static const char *changed_copy(const char *path, const Change *c)
{
    static char copy[256];
    const char *text, *key;
    StWriter *w = st_writer_new();
    Safetensors *st;

    snprintf(copy, sizeof(copy), "%s/changed.safetensors", test_tmpdir());
    if (st_open(&st, path) != OK)
        test_skip("run me in the project's root folder");
    for (int i = 0; (text = st_metadata_at(st, i, &key)); i++)
        if (!is(key, c->key))
            st_writer_metadata(w, key, text);
    if (c->key && c->value)
        st_writer_metadata(w, c->key, c->value);
    for (int i = 0; i < st_tensors(st); i++)
        copy_tensor(w, st, st_tensor(st, i), c);
    CHECK(st_writer_save(w, copy) == OK);
    st_writer_free(w);
    st_close(st);
    return copy;
}

static void check_changes_of(const Case *how, const char *path,
                             const Change *changes, int n)
{
    for (int i = 0; i < n; i++) {
        Verified v;

        verify_file(&v, changed_copy(path, &changes[i]), how, NULL, NULL);
        CHECK_MSG(v.verdict == changes[i].verdict &&
                      strstr(v.why, changes[i].says),
                  "change %d: verdict %d, error %g, '%s', not '%s'", i,
                  v.verdict, v.rel_l2, v.why, changes[i].says);
    }
}

static void check_changes(const char *path, const Change *changes, int n)
{
    Case how;

    case_defaults(&how);
    check_changes_of(&how, path, changes, n);
}

TEST(verify, a_wrong_module_case_does_not_pass)
{
    static const Change changes[] = {
        { .says = "", .verdict = VERIFY_PASSED },
        { .drop = "grad_output", .says = "", .verdict = VERIFY_PASSED },
        { .nudge = "output", .by = 1.1f, .verdict = VERIFY_FAILED, .says = "" },
        { .nudge = "output", .by = NAN, .verdict = VERIFY_FAILED, .says = "" },
        { .nudge = "input", .by = 1.1f, .verdict = VERIFY_FAILED, .says = "" },
        { .nudge = "param/fc.0.weight",
          .by = -100,
          .verdict = VERIFY_FAILED,
          .says = "" },
        { .drop = "output",
          .verdict = VERIFY_FAILED,
          .says = "no tensor 'output'" },
        { .drop = "input",
          .verdict = VERIFY_FAILED,
          .says = "no tensor 'input'" },
        { .drop = "param/fc.2.weight",
          .verdict = VERIFY_FAILED,
          .says = "param/fc.2.weight is not in the file" },
        { .drop = "grad_output",
          .rename_to = "param/fc.2.bias",
          .verdict = VERIFY_FAILED,
          .says = "param/fc.2.bias is only in the file" },
        { .flatten = "param/fc.2.weight",
          .verdict = VERIFY_FAILED,
          .says = "param/fc.2.weight has another shape in the file than "
                  "(32,8)" },
        { .flatten = "output",
          .verdict = VERIFY_FAILED,
          .says = "'output' has another shape" },
        { .flatten = "input",
          .verdict = VERIFY_FAILED,
          .says = "no tensor 'input' of 4 dims" },
        { .key = "kind",
          .value = "modul",
          .verdict = VERIFY_FAILED,
          .says = "its kind is 'modul'" },
        { .key = "kind",
          .value = NULL,
          .verdict = VERIFY_FAILED,
          .says = "not a case file" },
        { .key = "module",
          .value = "ese",
          .verdict = VERIFY_SKIPPED,
          .says = "unknown module 'ese'" },
        { .key = "module",
          .value = "se_conv",
          .verdict = VERIFY_FAILED,
          .says = "param/fc.2.weight is only in the file" },
        { .key = "config",
          .value = "{\"reduction\": 8}",
          .verdict = VERIFY_FAILED,
          .says = "another shape" },
        { .key = "config",
          .value = "{\"reduction\": 5}",
          .verdict = VERIFY_FAILED,
          .says = "se: reduction=5 does not divide channels=32: reduction=4 "
                  "would" },
        { .key = "config",
          .value = "{\"reductoin\": 4}",
          .verdict = VERIFY_FAILED,
          .says = "reductoin" },
        { .key = "config",
          .value = "{\"reduction\": null}",
          .verdict = VERIFY_FAILED,
          .says = "reduction is not a number, a list or a name" },
        { .key = "config",
          .value = "{\"reduction\": [4, 4]}",
          .verdict = VERIFY_FAILED,
          .says = "'4,4' is a list" },
        { .key = "config",
          .value = "{\"reduction\": 4.5}",
          .verdict = VERIFY_FAILED,
          .says = "4.5" },
        { .key = "config",
          .value = "{\"dtype\": \"bf16\"}",
          .verdict = VERIFY_FAILED,
          .says = "config has 'dtype', which is not a module setting" },
        { .key = "config",
          .value = "{\"backbone\": \"resnet18\"}",
          .verdict = VERIFY_FAILED,
          .says = "config has 'backbone', which is not a module setting" },
        { .key = "config",
          .value = "{\"weights\": \"/etc/hostname\"}",
          .verdict = VERIFY_FAILED,
          .says = "config has 'weights', which is not a module setting" },
        { .key = "config",
          .value = "{\"pass\": \"backward\"}",
          .verdict = VERIFY_FAILED,
          .says = "config has 'pass', which is not a module setting" },
        { .key = "config",
          .value = "{\"batch\": 2}",
          .verdict = VERIFY_FAILED,
          .says = "config has 'batch', which is not a module setting" },
        { .key = "norm_gain",
          .value = "2",
          .verdict = VERIFY_FAILED,
          .says = "unknown metadata key 'norm_gain' in the file of a module; "
                  "remove it" },
        { .key = "modul",
          .value = "se",
          .verdict = VERIFY_FAILED,
          .says = "unknown metadata key 'modul' in the file of a module; did "
                  "you mean 'module'?" },
        { .key = "dtype",
          .value = "bf16",
          .verdict = VERIFY_FAILED,
          .says = "unknown metadata key 'dtype'" },
        { .key = "config",
          .value = "{",
          .verdict = VERIFY_FAILED,
          .says = "config is not a JSON object" },
    };

    check_changes(se_case, changes, sizeof(changes) / sizeof(changes[0]));
}

TEST(verify, a_wrong_gradient_does_not_pass)
{
    static const Change changes[] = {
        { .says = "", .verdict = VERIFY_PASSED },
        { .nudge = "grad_output",
          .by = 1.1f,
          .verdict = VERIFY_FAILED,
          .says = "" },
        { .nudge = "grad_input",
          .by = 1.1f,
          .verdict = VERIFY_FAILED,
          .says = "" },
        { .nudge = "grad/fc.0.weight", /* its first unit is off: 0 */
          .by = NAN,
          .verdict = VERIFY_FAILED,
          .says = "" },
        { .drop = "grad/fc.2.weight",
          .verdict = VERIFY_FAILED,
          .says = "no tensor 'grad/fc.2.weight'" },
        { .drop = "grad_output",
          .verdict = VERIFY_SKIPPED,
          .says = "has no gradients" },
        { .flatten = "grad_output",
          .verdict = VERIFY_FAILED,
          .says = "'grad_output' in the file is not (" },
    };
    Case how;

    case_defaults(&how);
    REQUIRE(case_set(&how, "backend", "ref") == OK);
    REQUIRE(case_set(&how, "pass", "backward") == OK);
    check_changes_of(&how, se_case, changes,
                     sizeof(changes) / sizeof(changes[0]));
}

/* sa's grad/c_b is the difference of numbers thousands of times as large: what
 * their roundings may make of it is right, and no more. */
TEST(verify, a_gradient_beside_its_floor_is_still_compared)
{
    static const Change changes[] = {
        { .nudge = "grad/c_b",
          .by = 1.0005f,
          .verdict = VERIFY_PASSED,
          .says = "" },
        { .nudge = "grad/c_b",
          .by = 1.01f,
          .verdict = VERIFY_FAILED,
          .says = "" },
        { .nudge = "grad/c_b", .by = -1, .verdict = VERIFY_FAILED, .says = "" },
        { .nudge = "grad/c_b",
          .by = INFINITY,
          .verdict = VERIFY_FAILED,
          .says = "" },
        { .nudge = "grad/c_w", /* has the same change, and no floor so high */
          .by = 1.0005f,
          .verdict = VERIFY_FAILED,
          .says = "" },
        { .nudge = "output", .by = 1.1f, .verdict = VERIFY_FAILED, .says = "" },
    };
    Case how;

    case_defaults(&how);
    REQUIRE(case_set(&how, "backend", "ref") == OK);
    REQUIRE(case_set(&how, "pass", "backward") == OK);
    check_changes_of(&how, sa_case, changes,
                     sizeof(changes) / sizeof(changes[0]));
}

TEST(verify, a_wrong_backbone_case_does_not_pass)
{
    static const Change changes[] = {
        { .key = "backbone",
          .value = "resnet5",
          .verdict = VERIFY_SKIPPED,
          .says = "unknown backbone 'resnet5'" },
        { .key = "input",
          .value = "1x3x224",
          .verdict = VERIFY_FAILED,
          .says = "not like 1x3x224x224" },
        { .key = "input",
          .value = "1x3x224x224x1",
          .verdict = VERIFY_FAILED,
          .says = "not like 1x3x224x224" },
        { .key = "input",
          .value = "1x3x-224x224",
          .verdict = VERIFY_FAILED,
          .says = "not like 1x3x224x224" },
        { .key = "input",
          .value = "1x4x224x224",
          .verdict = VERIFY_FAILED,
          .says = "takes images of 3 channels" },
        { .key = "seed",
          .value = "x",
          .verdict = VERIFY_FAILED,
          .says = "seed is 'x', not a number" },
        { .key = "params",
          .value = "28073863",
          .verdict = VERIFY_FAILED,
          .says = "has 28073864 parameters, the file says 28073863" },
        { .drop = "stage2",
          .verdict = VERIFY_FAILED,
          .says = "no tensor 'stage2'" },
        { .nudge = "stage3", .by = 2, .verdict = VERIFY_FAILED, .says = "" },
        { .key = "norm_gain",
          .value = "1",
          .verdict = VERIFY_PASSED,
          .says = "" },
        { .key = "norm_gain",
          .value = "1.01",
          .verdict = VERIFY_FAILED,
          .says = "" },
        { .key = "norm_gain",
          .value = "0",
          .verdict = VERIFY_FAILED,
          .says = "norm_gain is '0', not above 0" },
        { .key = "norm_gain",
          .value = "high",
          .verdict = VERIFY_FAILED,
          .says = "norm_gain: 'high' is not a number" },
        { .key = "norm_gian",
          .value = "2",
          .verdict = VERIFY_FAILED,
          .says = "unknown metadata key 'norm_gian' in the file of a "
                  "backbone; did you mean 'norm_gain'?" },
        { .key = "layout",
          .value = "NCHW",
          .verdict = VERIFY_FAILED,
          .says = "unknown metadata key 'layout' in the file of a backbone" },
        { .key = "config",
          .value = "{\"pass\": \"backward\"}",
          .verdict = VERIFY_FAILED,
          .says = "config has 'pass', which is not a module setting" },
        { .key = "input",
          .value = "2000000000x3x224x224",
          .verdict = VERIFY_FAILED,
          .says = "input: batch=2000000000 is out of range: 1 to 65536" },
        { .key = "input",
          .value = "1x3x0x224",
          .verdict = VERIFY_FAILED,
          .says = "not like 1x3x224x224" },
        { .key = "seed", .value = "22", .verdict = VERIFY_FAILED, .says = "" },
    };

    check_changes(resnet_case, changes, sizeof(changes) / sizeof(changes[0]));
}

/* Gradients of all parameters are more outputs than are listed: a file that
 * asks for them is compared, or fails, and those after it are still read. */
TEST(verify, a_file_with_gradients_of_a_whole_network_ends_nothing)
{
    static const Change changes[] = {
        { .drop = "output",
          .rename_to = "grad_output",
          .key = "input",
          .value = "1x3x32x32",
          .verdict = VERIFY_FAILED,
          .says = "the file has no tensor 'output'" },
        { .says = "has no gradients", .verdict = VERIFY_SKIPPED },
    };
    Case how;

    case_defaults(&how);
    REQUIRE(case_set(&how, "pass", "backward") == OK);
    check_changes_of(&how, resnet_case, changes, 2);
}

TEST(verify, what_this_build_does_not_have_is_skipped)
{
    Verified v;
    Case how;

    case_defaults(&how);
    REQUIRE(case_set(&how, "impl", "fused") == OK);
    verify_file(&v, "tests/cases/cpca_settings1.safetensors", &how, NULL, NULL);
    CHECK_MSG(v.verdict == VERIFY_SKIPPED && strstr(v.why, "impl=fused"),
              "verdict %d: %s", v.verdict, v.why);
}

/* How a network is run: flags of attnbench verify. */
typedef struct How {
    const char *backend, *graph, *form;
    const char *impl, *pass; /* NULL: the default */
    Device *dev;             /* of backend; NULL: the best there is */
} How;

/* All files of a pattern, which have at least this many outputs. */
static void check_all(const How *wanted, const char *pattern, int outputs)
{
    glob_t files;
    Case how;

    case_defaults(&how);
    REQUIRE(case_set(&how, "backend", wanted->backend) == OK);
    REQUIRE(case_set(&how, "graph", wanted->graph) == OK);
    REQUIRE(case_set(&how, "form", wanted->form) == OK);
    REQUIRE(case_set(&how, "impl", wanted->impl ? wanted->impl : "composed") ==
            OK);
    REQUIRE(case_set(&how, "pass", wanted->pass ? wanted->pass : "forward") ==
            OK);
    REQUIRE(glob(pattern, GLOB_BRACE, NULL, &files) == 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        Verified v;

        verify_file(&v, files.gl_pathv[i], &how, wanted->dev, NULL);
        CHECK_MSG(v.verdict == VERIFY_PASSED && v.outputs >= outputs,
                  "attnbench verify --backend=%s --graph=%s --form=%s "
                  "--pass=%s %s: %s (%g; %s)",
                  wanted->backend, wanted->graph, wanted->form,
                  case_name("pass", how.pass), files.gl_pathv[i], v.why,
                  v.rel_l2, wanted->dev ? wanted->dev->about : "the best");
    }
    globfree(&files);
}

/* The result, and means of four stages. */
static void check_backbones(const How *wanted, const char *pattern)
{
    check_all(wanted, pattern, 5);
}

#define ALL_NETS "tests/cases/{resnet,mobilenet,acnet,repvgg,repvit,swin}*"

TEST(verify, backbones_as_written_agree_with_pytorch)
{
    check_backbones(&(How){ "cpu", "as_written", "train" }, ALL_NETS);
}

TEST(verify, folded_backbones_agree_with_pytorch)
{
    check_backbones(&(How){ "cpu", "folded", "train" }, ALL_NETS);
}

TEST(verify, merged_backbones_agree_with_pytorch)
{
    check_backbones(&(How){ "cpu", "folded", "deploy" },
                    "tests/cases/{repvgg,repvit}*");
}

TEST(verify, the_reference_backbone_agrees_with_pytorch)
{
    check_backbones(&(How){ "ref", "as_written", "train" },
                    "tests/cases/{resnet50_scsa,mobilenetv2_100_none}*");
}

#define ALL_MODULES \
    "tests/cases/{se,eca,fca,cpca,afgca,cbam,sa,ela,ca,ema,scsa}_*"

/* The result, and the gradients of the input and of a parameter. */
TEST(verify, gradients_of_modules_agree_with_pytorch)
{
    check_all(&(How){ "ref", "as_written", "train", NULL, "backward" },
              ALL_MODULES, 3);
}

TEST(verify, gradients_of_modules_on_the_cpu_agree_with_pytorch)
{
    check_all(&(How){ "cpu", "as_written", "train", NULL, "backward" },
              ALL_MODULES, 3);
}

/* Our own kernels as isa, oneDNN's as on a processor that has no more. */
static void check_isa(const char *isa, const char *limit)
{
    const DeviceSettings settings = { .isa = isa };
    Device *dev;

    setenv("ONEDNN_MAX_CPU_ISA", limit, 1);
    if (strcasecmp(onednn_isa(), limit) ||
        cpu_backend.open(&dev, &settings) != OK)
        SKIP("this processor lacks the instructions");
    check_all(&(How){ "cpu", "as_written", "train", .dev = dev }, ALL_MODULES,
              1);
    check_all(&(How){ "cpu", "folded", "train", .dev = dev }, ALL_MODULES, 1);
    check_all(&(How){ "cpu", "as_written", "train", NULL, "backward", dev },
              ALL_MODULES, 3);
    check_all(&(How){ "cpu", "folded", "train", "fused", "forward", dev },
              "tests/cases/scsa_{c64,odd,settings}*", 1);
    cpu_backend.close(dev);
}

TEST(verify, modules_agree_with_pytorch_as_generic)
{
    check_isa("generic", "SSE41");
}

TEST(verify, modules_agree_with_pytorch_as_avx2)
{
    check_isa("avx2", "AVX2");
}

TEST(verify, modules_agree_with_pytorch_as_avx512)
{
    check_isa("avx512", "AVX512_CORE");
}

TEST(verify, modules_agree_with_pytorch_as_avx512_bf16)
{
    check_isa("avx512_bf16", "AVX512_CORE_BF16");
}

TEST(verify, modules_agree_with_pytorch_as_amx)
{
    check_isa("amx", "AVX512_CORE_AMX");
}

TEST(verify, gradients_of_a_fused_module_agree_with_pytorch)
{
    check_all(&(How){ "ref", "as_written", "train", "fused", "backward" },
              "tests/cases/scsa_{c64,odd,settings}*", 3);
}

TEST(verify, what_was_computed_is_written_under_the_same_name)
{
    char path[256];
    const StTensor *t;
    Safetensors *st, *expected;
    Verified v;
    Case how;
    float *got, *want;

    case_defaults(&how);
    verify_file(&v, se_case, &how, NULL, test_tmpdir());
    REQUIRE(v.verdict == VERIFY_PASSED);
    snprintf(path, sizeof(path), "%s/se_settings1.safetensors", test_tmpdir());
    REQUIRE(st_open(&st, path) == OK);
    REQUIRE(st_open(&expected, se_case) == OK);
    CHECK(is(st_metadata(st, "config"), st_metadata(expected, "config")));
    CHECK(is(st_metadata(st, "module"), "se"));
    REQUIRE((t = st_find(st, "output")) && t->rank == 4);
    got = malloc(t->count * sizeof(*got));
    want = malloc(t->count * sizeof(*want));
    CHECK(st_read(st, t, got) == OK);
    CHECK(st_read(expected, st_find(expected, "output"), want) == OK);
    CHECK(verify_error(got, want, t->count) == v.rel_l2);
    free(got);
    free(want);
    st_close(st);
    st_close(expected);
}

static void check_files(const char *module, const char *dtype)
{
    char pattern[128];
    FakeDevice *fake = fake_open();
    glob_t files;
    Case how;

    case_defaults(&how);
    REQUIRE(case_set(&how, "dtype", dtype) == OK);
    snprintf(pattern, sizeof(pattern), "tests/cases/%s_*.safetensors", module);
    REQUIRE(glob(pattern, 0, NULL, &files) == 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        Verified v;

        verify_file(&v, files.gl_pathv[i], &how, &fake->base, NULL);
        CHECK_MSG(v.verdict == VERIFY_PASSED && v.limit > 1e-4 &&
                      v.rel_l2 > v.limit / 100,
                  "%s in %s: %s (%g, limit %g)", files.gl_pathv[i], dtype,
                  v.why, v.rel_l2, v.limit);
    }
    fake->factor = 3;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        Verified v;

        verify_file(&v, files.gl_pathv[i], &how, &fake->base, NULL);
        CHECK_MSG(v.verdict == VERIFY_FAILED, "%s in %s: %g of %g",
                  files.gl_pathv[i], dtype, v.rel_l2, v.limit);
    }
    globfree(&files);
    fake_backend.close(&fake->base);
}

TEST(verify, case_files_below_f32_have_the_limit_of_rounding)
{
    check_files("se", "f16");
    check_files("scsa", "bf16");
}

/* ---- the command --------------------------------------------------------- */

/* Its exit, and all that it printed. */
static int run_command(char **argv, char *text, size_t size)
{
    char path[256];
    const int out = dup(STDOUT_FILENO);
    FILE *f;
    size_t n;
    int argc = 0, err;

    while (argv[argc])
        argc++;
    snprintf(path, sizeof(path), "%s/printed", test_tmpdir());
    fflush(stdout);
    if (!freopen(path, "w", stdout))
        test_skip("the temporary directory cannot be written");
    err = cmd_verify(argc, argv);
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    f = fopen(path, "r");
    n = f ? fread(text, 1, size - 1, f) : 0;
    text[n] = '\0';
    if (f)
        fclose(f);
    return err;
}

TEST(verify, the_command_counts_and_ends_with_its_verdict)
{
    char text[4096], *se = (char *)(size_t)se_case;
    const char *last;

    CHECK(run_command((char *[]){ se, se, NULL }, text, sizeof(text)) == OK);
    last = strstr(text, "2 passed, 0 failed, 0 skipped\n");
    CHECK_MSG(last && !last[30], "%s", text);
    CHECK(strstr(text, "passed   tests/cases/se_settings1.safetensors"));

    CHECK(run_command((char *[]){ se, "tests/absent", NULL }, text,
                      sizeof(text)) == CMD_BAD);
    CHECK_MSG(strstr(text, "FAILED   tests/absent: No such file") &&
                  strstr(text, "1 passed, 1 failed, 0 skipped\n"),
              "%s", text);

    /* nothing was compared, and that is no success */
    CHECK(run_command((char *[]){ "--impl=fused",
                                  "tests/cases/cpca_settings1.safetensors",
                                  NULL },
                      text, sizeof(text)) == CMD_BAD);
    CHECK_MSG(strstr(text, "0 passed, 0 failed, 1 skipped\n"), "%s", text);
    CHECK(run_command((char *[]){ "--backend=cup", se, NULL }, text,
                      sizeof(text)) == ERR_INPUT);
    CHECK(strstr(err_message(), "did you mean 'cpu'"));
    CHECK(run_command((char *[]){ NULL }, text, sizeof(text)) == ERR_INPUT);
}
