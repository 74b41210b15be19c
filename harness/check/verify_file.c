/*
 * verify_file.c - compares an implementation with the values in a case file.
 *
 * A case file is a .safetensors file, all F32, in PyTorch's order and shapes.
 * Its metadata say what it is: kind (module or backbone), module, config (the
 * module's settings as JSON), backbone, input (1x3x224x224), seed, norm_gain (1
 * if absent), params, form.  A key that is not one of these is refused: what it
 * says would be ignored.  Nothing else is the file's to say: backend, dtype,
 * pass and weights are the caller's.
 *
 *   a module    has input, param/<name> for every parameter and statistic,
 *               and output; and, with grad_output, the gradient of the output,
 *               those of input and parameters: grad_input, grad/<name>
 *   a backbone  has output (logits) and stage1 to stage4 (means of each
 *               stage's channels); its weights and input are seeded
 *
 * Gradients are looked at if the pass goes backwards.
 */
#include "harness/check/verify.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/files/json.h"
#include "harness/files/safetensors.h"
#include "harness/network/network.h"
#include "harness/network/seed.h"
#include "kernels/core/err.h"
#include "results/folder.h"

#define PARAM_PREFIX "param/"

/* One file, while it is worked on. */
typedef struct CaseFile {
    Safetensors *st;
    Case c;
    bool backbone;
    uint64_t seed;
    float *inputs[NETWORK_INPUTS];
    WeightValues values;
    Taps taps;
    Graph *graph;
    float **got;    /* an array for each output of graph                */
    Reference *ref; /* has floors; NULL until a gradient needs one      */
} CaseFile;

/* The error of one output. */
typedef struct Measured {
    double rel_l2, limit;
    bool beside_floor;
} Measured;

/* Keys of the metadata, and which kind of file has them. */
typedef struct Key {
    const char *name;
    bool of_module, of_backbone;
} Key;

static const Key keys[] = {
    { "kind", true, true },       { "module", true, true },
    { "config", true, true },     { "seed", true, true },
    { "note", true, true },       { "layout", true, false },
    { "backbone", false, true },  { "input", false, true },
    { "params", false, true },    { "form", false, true },
    { "norm_gain", false, true },
};
enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

static const char *metadata(const CaseFile *f, const char *key)
{
    const char *text = st_metadata(f->st, key);

    return text ? text : "";
}

static int set_from_json(Case *c, const cJSON *item)
{
    char text[PARAM_TEXT_MAX];

    if (json_setting(item, text, sizeof(text)))
        return fail_within(ERR_INPUT, "config");
    return case_set(c, item->string, text);
}

/* A file says with which settings its module answered so, and no more: what it
 * is compared in, on and with would decide whether it passes. */
static int set_setting(Case *c, const cJSON *item)
{
    if (param_find(case_params, item->string))
        return fail(ERR_INPUT,
                    "config has '%.40s', which is not a module setting; "
                    "remove it from the file, and give it as a flag if "
                    "verify has it",
                    item->string);
    return set_from_json(c, item);
}

static int read_config(CaseFile *f)
{
    const char *text = st_metadata(f->st, "config");
    cJSON *config;
    int err = OK;

    if (!text)
        return OK;
    config = cJSON_Parse(text);
    if (!cJSON_IsObject(config))
        err = fail(ERR_INPUT, "config is not a JSON object: %.60s", text);
    for (cJSON *i = config ? config->child : NULL; !err && i; i = i->next)
        err = set_setting(&f->c, i);
    cJSON_Delete(config);
    return err;
}

/* Files of what this build lacks are skipped; that is checked apart. */
static int read_names(CaseFile *f)
{
    const char *kind = metadata(f, "kind"), *module = metadata(f, "module");
    const char *backbone = metadata(f, "backbone");

    if (strcmp(kind, "module") && strcmp(kind, "backbone"))
        return fail(ERR_INPUT,
                    "not a case file: its kind is '%.40s', neither module nor "
                    "backbone",
                    kind);
    f->backbone = strcmp(kind, "backbone") == 0;
    if (f->backbone && !backbone_find(backbone))
        return fail(ERR_UNSUPPORTED, "unknown backbone '%.40s'", backbone);
    if (strcmp(module, "none") && !zoo_find(module))
        return fail(ERR_UNSUPPORTED, "unknown module '%.40s'", module);
    if (f->backbone)
        TRY(case_set(&f->c, "backbone", backbone));
    return case_set(&f->c, "module", module);
}

static bool has_key(const CaseFile *f, const Key *key)
{
    return f->backbone ? key->of_backbone : key->of_module;
}

/* The i-th key that such a file may have. */
static const char *known_key(const void *arg, int i)
{
    for (int k = 0; k < KEYS; k++)
        if (has_key(arg, &keys[k]) && i-- == 0)
            return keys[k].name;
    return NULL;
}

static int check_keys(const CaseFile *f)
{
    const char *key;

    for (int i = 0; st_metadata_at(f->st, i, &key); i++) {
        const char *near = name_nearest(key, known_key, f), *known;
        int k = 0;

        while ((known = known_key(f, k)) && strcmp(known, key))
            k++;
        if (!known)
            return fail(ERR_INPUT,
                        "unknown metadata key '%.40s' in the file of a "
                        "%s%s%s%s",
                        key, f->backbone ? "backbone" : "module",
                        near ? "; did you mean '" : "; remove it",
                        near ? near : "", near ? "'?" : "");
    }
    return OK;
}

/* The gain of the seeded weights of norms, which were made without the default
 * that runs have. */
static int read_norm_gain(CaseFile *f)
{
    const char *text = st_metadata(f->st, "norm_gain");

    TRY(case_set(&f->c, "norm_gain", text ? text : "1"));
    if (f->c.norm_gain == 0)
        return fail(ERR_INPUT, "norm_gain is '%.20s', not above 0", text);
    return OK;
}

static int read_seed(CaseFile *f)
{
    const char *text = metadata(f, "seed");
    char *end;

    f->seed = strtoull(text, &end, 10);
    if (end == text || *end)
        return fail(ERR_INPUT, "seed is '%.20s', not a number", text);
    return OK;
}

/* The form whose weights are seeded; what is made of them is the caller's
 * choice, except for a deploy form, of which nothing else can be made. */
static int read_form(CaseFile *f)
{
    const char *form = st_metadata(f->st, "form");

    if (!form || strcmp(form, "train") == 0)
        return OK;
    f->values.form = FORM_DEPLOY;
    return case_set(&f->c, "form", form);
}

/* Within the limits that every case has. */
static int set_size(Case *c, const long long dim[4])
{
    static const char *const name[] = { "batch", "channels", "height",
                                        "width" };
    char text[32];

    for (int i = 0; i < 4; i++) {
        if (dim[i] < 1)
            return fail(ERR_INPUT, "input has a dim of %lld", dim[i]);
        snprintf(text, sizeof(text), "%lld", dim[i]);
        if (case_set(c, name[i], text))
            return fail_within(ERR_INPUT, "input");
    }
    return OK;
}

/* Into batch, channels, height and width. */
static int read_size(CaseFile *f)
{
    const StTensor *t = st_find(f->st, "input");
    const char *text = metadata(f, "input");
    long long dim[4];
    int end = 0;

    if (!f->backbone) {
        if (!t || t->rank != 4)
            return fail(ERR_INPUT, "no tensor 'input' of 4 dims");
        return set_size(&f->c, t->dim);
    }
    if (sscanf(text, "%lldx%lldx%lldx%lld%n", &dim[0], &dim[1], &dim[2],
               &dim[3], &end) < 4 ||
        text[end] || dim[0] < 1 || dim[1] < 1 || dim[2] < 1 || dim[3] < 1)
        return fail(ERR_INPUT, "input is '%.40s', not like 1x3x224x224", text);
    return set_size(&f->c, dim);
}

static int read_case(CaseFile *f, const Case *how)
{
    f->c = *how;
    TRY(case_set(&f->c, "backbone", "none"));
    TRY(read_names(f));
    TRY(check_keys(f));
    TRY(read_config(f));
    if (f->backbone) {
        TRY(read_norm_gain(f));
        TRY(read_seed(f));
        TRY(read_form(f));
    }
    TRY(read_size(f));
    return case_complete(&f->c);
}

static bool same_dims(const Tensor *t, const StTensor *f)
{
    if (t->rank != f->rank)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] != f->dim[i])
            return false;
    return true;
}

/* Adds " what" to a list of at most VERIFY_TEXT characters. */
static void append(char *text, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void append(char *text, const char *fmt, ...)
{
    const size_t n = strlen(text);
    va_list args;

    va_start(args, fmt);
    vsnprintf(text + n, VERIFY_TEXT - n, fmt, args);
    va_end(args);
}

/* Every parameter in the file is one of g's, and the other way round. */
static int compare_names(const CaseFile *f, const Graph *g)
{
    const size_t prefix = strlen(PARAM_PREFIX);
    char wrong[VERIFY_TEXT] = "", dims[DIMS_TEXT], name[2 * MAX_NAME];

    for (int i = 0; i < st_tensors(f->st); i++) {
        const StTensor *t = st_tensor(f->st, i);

        if (strncmp(t->name, PARAM_PREFIX, prefix) == 0 &&
            !graph_find(g, t->name + prefix))
            append(wrong, "; %.80s is only in the file", t->name);
    }
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        const StTensor *in_file;

        if (!tensor_is_weight(t))
            continue;
        snprintf(name, sizeof(name), PARAM_PREFIX "%s", t->name);
        in_file = st_find(f->st, name);
        if (!in_file)
            append(wrong, "; %s is not in the file", name);
        else if (!same_dims(t, in_file))
            append(wrong, "; %s has another shape in the file than %s", name,
                   tensor_dims_text(t, dims));
    }
    return wrong[0] ? fail(ERR_INPUT, "%s", wrong + 2) : OK;
}

/* Checks parameters against the network as written, where all have names. */
static int check_params(const CaseFile *f)
{
    const char *params = st_metadata(f->st, "params");
    Case written = f->c;
    Graph *g;
    int err;

    TRY(case_set(&written, "impl", "composed"));
    if (f->values.form == FORM_TRAIN)
        TRY(case_set(&written, "form", "train"));
    TRY(case_set(&written, "graph", "as_written"));
    TRY(case_set(&written, "dtype", "f32"));
    TRY(case_set(&written, "pass", "forward"));
    TRY(network_build(&g, &written, NULL, TAPS_NONE));
    if (!f->backbone)
        err = compare_names(f, g);
    else if (params && strtod(params, NULL) != graph_params(g))
        err = fail(ERR_INPUT, "it has %.0f parameters, the file says %.20s",
                   graph_params(g), params);
    else
        err = OK;
    graph_free(g);
    return err;
}

static int read_input(CaseFile *f, const Tensor *input, float **values)
{
    const size_t n = tensor_count(input);
    const StTensor *in_file = st_find(f->st, input->name);
    char dims[DIMS_TEXT];

    *values = malloc(n * sizeof(**values));
    if (!*values)
        return fail(ERR_MEMORY, "no memory for an input of %zu numbers", n);
    if (f->backbone) {
        seed_input(*values, n, input->name, f->seed);
        return OK;
    }
    if (!in_file || !same_dims(input, in_file))
        return fail(ERR_INPUT, "'%s' in the file is not %s", input->name,
                    tensor_dims_text(input, dims));
    return st_read_finite(f->st, in_file, *values);
}

static int check_pass(const CaseFile *f)
{
    return f->c.pass == PASS_FORWARD || st_find(f->st, "grad_output")
               ? OK
               : fail(ERR_UNSUPPORTED, "the file has no gradients");
}

static int run_case(CaseFile *f, Device *dev)
{
    TRY(check_pass(f));
    TRY(check_params(f));
    f->values.seed = f->seed;
    if (!f->backbone) {
        f->values.file = f->st;
        f->values.prefix = PARAM_PREFIX;
    }
    f->taps = f->backbone ? TAPS_STAGE_MEANS : TAPS_NONE;
    TRY(network_build(&f->graph, &f->c, &f->values, f->taps));
    f->got = calloc((size_t)graph_outputs(f->graph), sizeof(*f->got));
    if (!f->got)
        return fail(ERR_MEMORY, "no memory for %d outputs",
                    graph_outputs(f->graph));
    for (int i = 0; network_input(f->graph, i); i++)
        TRY(read_input(f, network_input(f->graph, i), &f->inputs[i]));
    return verify_run(f->got, f->graph, &f->c, dev, f->inputs);
}

/* Below f32 it follows from the definition, which is run for that. */
static int find_limit(const CaseFile *f, double *limit)
{
    Reference *r;
    int err;

    if (case_dtype(&f->c) == F32)
        return OK;
    TRY(reference_new(&r, &f->c, &f->values, f->taps, f->inputs));
    err = verify_rounded_limit(r, &f->c, limit);
    reference_free(r);
    return err;
}

/* In f32 that of the output; below f32 one for all, which was found. */
static double limit_of(const CaseFile *f, const char *name, double found)
{
    return case_dtype(&f->c) == F32 ? verify_output_limit(&f->c, name) : found;
}

/* The worst is the one that is largest relative to its limit. */
static void note_error(Verified *out, const char *name, const Measured *m)
{
    const int i = out->outputs++;

    if (i < VERIFY_OUTPUTS) {
        snprintf(out->output[i].name, sizeof(out->output[i].name), "%s", name);
        out->output[i].rel_l2 = m->rel_l2;
        out->output[i].limit = m->limit;
        out->output[i].beside_floor = m->beside_floor;
    }
    if (i == 0 || (!isnan(out->rel_l2) &&
                   !(m->rel_l2 / m->limit <= out->rel_l2 / out->limit))) {
        out->rel_l2 = m->rel_l2;
        out->limit = m->limit;
    }
}

/* Leaves none where the definition says nothing about the case. */
static int find_floors(CaseFile *f)
{
    int err = OK;

    if (!f->ref)
        err = reference_new(&f->ref, &f->c, &f->values, f->taps, f->inputs);
    if (!err)
        err = verify_floors(f->ref, &f->c);
    return err == ERR_UNSUPPORTED ? OK : err;
}

/* The error of the i-th output.  A gradient that is far off in f32 is measured
 * against what it is the difference of, where that is more. */
static int measure(Measured *m, CaseFile *f, int i, const float *expected,
                   size_t n)
{
    double floor, error;

    m->rel_l2 = verify_error(f->got[i], expected, n);
    if (m->rel_l2 <= m->limit || isnan(m->rel_l2) || case_dtype(&f->c) != F32 ||
        f->c.pass == PASS_FORWARD)
        return OK;
    TRY(find_floors(f));
    floor = f->ref ? verify_floor(f->ref, &f->c, i, m->limit) : 0;
    error = verify_error_beside(f->got[i], expected, n, floor);
    m->beside_floor = error < m->rel_l2;
    m->rel_l2 = error;
    return OK;
}

static int compare_output(Verified *out, CaseFile *f, int i)
{
    const char *name;
    const Tensor *t = graph_output_at(f->graph, i, &name);
    const StTensor *expected = st_find(f->st, name);
    Measured m = { .rel_l2 = NAN, .limit = limit_of(f, name, out->limit) };
    char dims[DIMS_TEXT];
    float *values;
    int err;

    if (!expected)
        return fail(ERR_INPUT, "the file has no tensor '%s'", name);
    if (!same_dims(t, expected))
        return fail(ERR_INPUT, "'%s' has another shape in the file than %s",
                    name, tensor_dims_text(t, dims));
    values = malloc(expected->count * sizeof(*values));
    if (!values)
        return fail(ERR_MEMORY, "no memory for %zu expected values",
                    expected->count);
    err = st_read(f->st, expected, values);
    if (!err)
        err = measure(&m, f, i, values, expected->count);
    free(values);
    note_error(out, name, &m);
    return err;
}

static int compare_outputs(Verified *out, CaseFile *f)
{
    for (int i = 0; i < graph_outputs(f->graph); i++)
        TRY(compare_output(out, f, i));
    return OK;
}

/* Writes the computed values, under the file's own name and metadata. */
static int write_outputs(const CaseFile *f, const char *path,
                         const char *folder)
{
    const char *key, *text;
    char to[4096];
    StWriter *w;
    int err;

    if (snprintf(to, sizeof(to), "%s/%s", folder, file_name(path)) >=
        (int)sizeof(to))
        return fail(ERR_INPUT, "%.60s...: the path is too long", folder);
    w = st_writer_new();
    for (int i = 0; (text = st_metadata_at(f->st, i, &key)); i++)
        st_writer_metadata(w, key, text);
    for (int i = 0; i < graph_outputs(f->graph); i++) {
        const char *name;
        const Tensor *t = graph_output_at(f->graph, i, &name);

        st_writer_tensor(w, name, t->rank, t->dim, f->got[i]);
    }
    err = st_writer_save(w, to);
    st_writer_free(w);
    return err;
}

void verify_file(Verified *out, const char *path, const Case *how, Device *dev,
                 const char *write)
{
    CaseFile f = { 0 };
    int err;

    *out = (Verified){ .rel_l2 = NAN };
    err = st_open(&f.st, path);
    if (!err)
        err = read_case(&f, how);
    out->limit = verify_limit(&f.c);
    if (!err)
        err = run_case(&f, dev);
    if (!err)
        err = find_limit(&f, &out->limit);
    if (!err && write)
        err = write_outputs(&f, path, write);
    if (!err)
        err = compare_outputs(out, &f);

    out->verdict = err == ERR_UNSUPPORTED                ? VERIFY_SKIPPED
                   : err || !(out->rel_l2 <= out->limit) ? VERIFY_FAILED
                                                         : VERIFY_PASSED;
    if (err)
        snprintf(out->why, sizeof(out->why), "%s", err_message());
    for (int i = 0; f.got && i < graph_outputs(f.graph); i++)
        free(f.got[i]);
    free(f.got);
    reference_free(f.ref);
    graph_free(f.graph);
    for (int i = 0; i < NETWORK_INPUTS; i++)
        free(f.inputs[i]);
    st_close(f.st);
}
