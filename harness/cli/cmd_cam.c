/*
 * cmd_cam.c - attnbench cam --backbone=B --module=M,M --image=FILE
 *
 * One map for each case; what they share is the picture, the tap, and the
 * scale of the colours.
 */
#include "harness/cli/cmd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/csv.h"
#include "analysis/units.h"
#include "harness/attribution/cam_page.h"
#include "harness/attribution/overlay.h"
#include "harness/cli/flags.h"
#include "harness/devices/backends.h"
#include "harness/experiments/experiment.h"
#include "harness/files/npy.h"
#include "harness/files/resize.h"
#include "harness/files/wrap.h"
#include "harness/measure/sweep.h"
#include "harness/network/network.h"
#include "harness/network/seed.h"
#include "harness/report/table.h"
#include "kernels/core/err.h"
#include "results/folder.h"
#include "results/outfile.h"

enum { MAPS_MAX = 64, COLOURS = 3, PATH = 512, INPUT_SEED = 1, DIGITS = 9 };

typedef struct CamSettings {
    const char *image, *tap, *class_names, *out;
    int class;
} CamSettings;

static const Param cam_params[] = {
    PARAM_PATH(CamSettings, image, "",
               "JPEG or PNG, resized and cropped as for ImageNet evaluation; "
               "default: the seeded noise that 'attnbench verify' uses"),
    PARAM_INT(CamSettings, class, -1, -1, 1000000,
              "class to explain; -1: each network's top class"),
    PARAM_PATH(CamSettings, class_names, "",
               "file with the classes' names, one per line; default: classes "
               "are numbers"),
    PARAM_PATH(CamSettings, tap, "stage4",
               "layer: stage1 to stage4, or a scope that 'attnbench count "
               "--by=op' lists, such as layer4 or layer4.2.bn2"),
    PARAM_PATH(CamSettings, out, "plots/out/cam", "output folder"),
    PARAM_END,
};

static const Usage usage = {
    .name = "cam",
    .args = "[EXPERIMENT]",
    .max_args = 1,
    .what =
        "Shows which image regions drive a class score (Grad-CAM): a layer's "
        "activations,\n"
        "each channel weighted by the mean gradient of the score before "
        "softmax, summed;\n"
        "the positive part is kept.  Writes one map per network, as a "
        "picture and as floats\n"
        "(.npy) at the layer's and at the input's resolution, and one figure "
        "and cam.csv\n"
        "for all.  Colours go from 0 to the highest value of all maps, so "
        "that networks can\n"
        "be compared, and are overlaid at 50 % opacity.\n"
        "To give each network its own weights, list them in an experiment:\n"
        "{ \"experiment\": \"cam\", \"question\": \"\", \"backbone\": "
        "\"resnet50\", \"cases\": [\n"
        "  { \"module\": \"none\", \"weights\": \"plain.safetensors\" },\n"
        "  { \"module\": \"scsa\", \"weights\": \"scsa.safetensors\" } ] }",
    .params = cam_params,
    .takes_case = CASE_SETTINGS,
    .exits = "Exit status: 0 if every map was made; 1 if one could not be; 2 "
             "if the command line or the experiment is wrong.",
    .examples =
        "  attnbench cam --backbone=resnet50 --image=dog.jpg "
        "--weights=r50.safetensors\n"
        "  attnbench cam --backbone=resnet50 --module=none,scsa --class=207 "
        "--tap=layer3\n"
        "  attnbench cam --backbone=swin_t --tap=norm "
        "--image=dog.jpg\n",
};

typedef struct Session {
    const CamSettings *s;
    int height, width;
    float *input; /* (3, height, width) */
    Image view;   /* what the networks see */
    CamDrawn at[MAPS_MAX];
    int n;
    double scale;
    bool seeded, failed;
    ClassNames names;
    char image_hash[HASH_TEXT];
} Session;

/* ---- making -------------------------------------------------------------- */

static int check_cases(const Experiment *e, const ClassNames *names)
{
    const Case *first = &e->cases[0];

    if (e->ncases > MAPS_MAX)
        return fail(ERR_INPUT,
                    "%d networks are too many; at most %d can be "
                    "drawn at once",
                    e->ncases, MAPS_MAX);
    for (int i = 0; i < e->ncases; i++) {
        const Case *c = &e->cases[i];
        int classes;

        if (strcmp(c->backbone.text, "none") == 0)
            return fail(ERR_INPUT, "a module alone has no classes: give a "
                                   "backbone, as --backbone=resnet50");
        if (c->height != first->height || c->width != first->width)
            return fail(ERR_INPUT,
                        "networks are compared at one input size (got %dx%d "
                        "and %dx%d)",
                        first->height, first->width, c->height, c->width);
        if (names->n && network_classes(&classes, c) == OK)
            TRY(class_names_check(names, classes));
    }
    return OK;
}

static int make_input(Session *t, const Case *c)
{
    uint64_t h = HASH_START;

    t->height = c->height;
    t->width = c->width;
    t->input = malloc(sizeof(*t->input) * COLOURS * (size_t)c->height *
                      (size_t)c->width);
    if (!t->input)
        return fail(ERR_MEMORY, "no memory for an input of %dx%d", c->height,
                    c->width);
    if (t->s->image[0] && hash_file(&h, t->s->image) == OK)
        hash_text(t->image_hash, h);
    if (t->s->image[0])
        return image_input(t->input, &t->view, t->s->image, c->height,
                           c->width);
    seed_structured(t->input, DIMS(1, COLOURS, c->height, c->width), "input",
                    INPUT_SEED);
    return image_denormalise(&t->view, t->input, c->height, c->width);
}

/* "resnet50_se", and "resnet50_se_2" if there has been one. */
static void name_map(Session *t, CamDrawn *d)
{
    const char *backbone = d->c->backbone.text, *module = d->c->module.text;
    int same = 1;

    for (const CamDrawn *o = t->at; o < d; o++)
        same += !strcmp(o->c->backbone.text, backbone) &&
                !strcmp(o->c->module.text, module);
    snprintf(d->name, sizeof(d->name), "%s_%s", backbone, module);
    if (same > 1)
        snprintf(d->name + strlen(d->name), 12, "_%d", same);
}

static int run_case(Cam *cam, const Case *c, const CamAsk *ask)
{
    Device *dev;
    int err;

    TRY(backend_open(&dev, case_name("backend", c->backend),
                     &(DeviceSettings){ .threads = c->threads, .isa = "" }));
    err = cam_run(cam, c, ask, dev);
    backend_close(dev);
    return err;
}

/* A network without a map says why; the others continue, if there are any: a
 * tap may be in one network and not in another. */
static int make_map(Session *t, const Case *c, bool alone)
{
    const CamAsk ask = { .tap = t->s->tap,
                         .class = t->s->class,
                         .input = t->input };
    CamDrawn *d = &t->at[t->n];
    char text[CASE_TEXT];
    const int err = run_case(&d->cam, c, &ask);

    if (err == ERR_UNSUPPORTED || err == ERR_MEMORY || err == ERR_DEVICE ||
        (err == ERR_INPUT && !alone)) {
        fprintf(stderr, "attnbench cam%s --tap=%s: %s\n",
                case_print(c, text) + strlen("attnbench run"), t->s->tap,
                err_message());
        t->failed = true;
        return OK;
    }
    TRY(err);
    d->c = c;
    name_map(t, d);
    network_weights_hash(d->weights_hash, c, NULL);
    d->whole = malloc(sizeof(*d->whole) * (size_t)t->height * (size_t)t->width);
    if (!d->whole) {
        cam_free(&d->cam);
        return fail(ERR_MEMORY, "no memory for a map of %dx%d", t->height,
                    t->width);
    }
    map_upsample(d->whole, t->height, t->width, d->cam.map, d->cam.rows,
                 d->cam.columns);
    t->scale = fmax(t->scale, d->cam.number[CAM_peak]);
    t->seeded |= strcmp(c->weights.text, "seeded") == 0;
    t->n++;
    return OK;
}

/* ---- writing ------------------------------------------------------------- */

/* FOLDER/NAME.END, to be freed. */
static int file_path(char **path, const Session *t, const char *name,
                     const char *end)
{
    if (asprintf(path, "%s/%s%s", t->s->out, name, end) < 0) {
        *path = NULL;
        return fail(ERR_MEMORY, "no memory for a path in %.200s", t->s->out);
    }
    return OK;
}

static int write_npy(const Session *t, const char *name, const char *end,
                     const float *values, int rows, int columns)
{
    char *path;
    int err;

    TRY(file_path(&path, t, name, end));
    err = npy_write(path, values, 2, (int[]){ rows, columns });
    free(path);
    return err;
}

static int write_png(const Session *t, const char *name, const Image *image)
{
    char *path;
    int err;

    TRY(file_path(&path, t, name, ".png"));
    err = image_write_png(image, path);
    free(path);
    return err;
}

static int write_map(const Session *t, const CamDrawn *d)
{
    Image drawn;
    int err;

    TRY(write_npy(t, d->name, ".npy", d->cam.map, d->cam.rows, d->cam.columns));
    TRY(write_npy(t, d->name, "_input.npy", d->whole, t->height, t->width));
    TRY(image_overlay(&drawn, &t->view, d->whole, t->scale));
    err = write_png(t, d->name, &drawn);
    image_free(&drawn);
    return err;
}

static void put_row(CsvRow *row, const Session *t, const CamDrawn *d)
{
    char text[CASE_TEXT];

    csv_write(row, d->name);
    csv_write(row, d->cam.layer);
    csv_print(row, "%d", d->cam.rows);
    csv_print(row, "%d", d->cam.columns);
    csv_print(row, "%d", d->cam.class);
    csv_write(row, class_name(&t->names, d->cam.class));
    csv_number(row, d->cam.score, DIGITS);
    csv_number(row, d->cam.probability, DIGITS);
    for (int i = 0; i < CAM_NUMBERS; i++)
        csv_number(row, d->cam.number[i], DIGITS);
    csv_number(row, t->scale, DIGITS);
    csv_write(row, t->s->image);
    csv_write(row, t->image_hash);
    csv_write(row, d->weights_hash);
    csv_number(row, d->c->norm_gain, EXACT);
    csv_write(row, case_print(d->c, text));
    csv_end(row);
}

static void put_head(CsvRow *row)
{
    static const char *const first[] = { "map",     "layer",      "rows",
                                         "columns", "class",      "class_name",
                                         "score",   "probability" };
    static const char *const last[] = { "scale",      "image",
                                        "image_hash", "weights_hash",
                                        "norm_gain",  "case" };

    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
        csv_write(row, first[i]);
    for (int i = 0; i < CAM_NUMBERS; i++)
        csv_write(row, cam_number_name(i));
    for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
        csv_write(row, last[i]);
    csv_end(row);
}

static int write_csv(const Session *t)
{
    char *path;
    Outfile out;
    int err;

    TRY(file_path(&path, t, "cam", ".csv"));
    err = outfile_open(&out, path);
    if (!err) {
        CsvRow row = { .out = out.file }; /* an error stays with the file
                                             until it is closed */

        put_head(&row);
        for (const CamDrawn *d = t->at; d < t->at + t->n; d++)
            put_row(&row, t, d);
        err = outfile_close(&out, OK);
    }
    free(path);
    return err;
}

static int write_all(const Session *t)
{
    TRY(folder_make(t->s->out));
    TRY(write_png(t, "input", &t->view));
    for (int i = 0; i < t->n; i++)
        TRY(write_map(t, &t->at[i]));
    return write_csv(t);
}

/* After all else, for it needs gnuplot. */
static int write_figure(const Session *t)
{
    const CamShared shared = { .tap = t->s->tap,
                               .picture = t->s->image,
                               .height = t->height,
                               .width = t->width,
                               .scale = t->scale,
                               .seeded = t->seeded,
                               .names = &t->names };

    return cam_page(t->s->out, t->at, t->n, &shared);
}

/* ---- saying -------------------------------------------------------------- */

static void set_share(Table *table, int row, const char *key, double value)
{
    if (isnan(value))
        table_set(table, row, key, "-");
    else
        table_set(table, row, key, "%.3f", value);
}

static void set_row(Table *table, const CamDrawn *d, const ClassNames *names)
{
    const int row = table_row(table);
    char class[CLASS_TEXT];

    table_set(table, row, "map", "%s", d->name);
    if (names->n)
        class_text(class, names, d->cam.class, CLASS_LONG);
    else
        snprintf(class, sizeof(class), "%d", d->cam.class);
    table_set(table, row, "class", "%s", class);
    table_set(table, row, "score", "%.4g", d->cam.score);
    table_set(table, row, "probability", "%.3g", d->cam.probability);
    table_set(table, row, "peak", "%.4g", d->cam.number[CAM_peak]);
    for (int i = CAM_peak + 1; i < CAM_NUMBERS; i++)
        if (i != CAM_mean)
            set_share(table, row, cam_number_name(i), d->cam.number[i]);
}

static void print_table(const Session *t)
{
    TableColumn columns[5 + CAM_NUMBERS] = {
        { .key = "map", .name = "", .unit = "", .group = "", .left = true },
        { .key = "class", .name = "class", .unit = "", .group = "" },
        { .key = "score", .name = "score", .unit = "", .group = "" },
        { .key = "probability", .name = "prob.", .unit = "", .group = "" },
        { .key = "peak", .name = "peak", .unit = "", .group = "" },
    };
    Table table;
    int n = 5;

    for (int i = CAM_peak + 1; i < CAM_NUMBERS; i++)
        if (i != CAM_mean)
            columns[n++] = (TableColumn){ .key = cam_number_name(i),
                                          .name = cam_number_name(i),
                                          .unit = "",
                                          .group = "" };
    table_init(&table, columns, n);
    for (const CamDrawn *d = t->at; d < t->at + t->n; d++)
        set_row(&table, d, &t->names);
    table_print(&table, TABLE_TEXT, stdout);
    table_free(&table);
    printf("\n");
    for (int i = 0; i < CAM_NUMBERS; i++)
        if (i != CAM_mean)
            wrap_entry(stdout, 8, cam_number_name(i), cam_number_help(i));
}

/* The layer, where it is the same in all. */
static void print_title(const Session *t)
{
    const Cam *first = &t->at[0].cam;
    char layer[2 * MAX_NAME] = "";

    if (cam_layers_agree(t->at, t->n))
        snprintf(layer, sizeof(layer), " (%s, %dx%dx%d)", first->layer,
                 first->channels, first->rows, first->columns);
    wrap_to_screen(stdout, "Grad-CAM at %s%s of %s, %dx%d\n\n", t->s->tap,
                   layer, t->s->image[0] ? t->s->image : "seeded input",
                   t->height, t->width);
}

static void print_all(const Session *t)
{
    char *folder;

    print_title(t);
    print_table(t);
    if (cam_classes_differ(t->at, t->n))
        wrap_to_screen(
            stdout,
            "\n"
            "each network's own top class, and they differ; --class=K uses "
            "one class for all");
    wrap_to_screen(
        stdout,
        "\n"
        "colours: 0 to %.4g, the maximum over these maps; overlaid at 50 %% "
        "opacity\n",
        t->scale);
    if (t->seeded)
        wrap_to_screen(stdout,
                       "the weights are seeded, not trained, so these pictures "
                       "mean nothing; give trained\n"
                       "weights with --weights=FILE.safetensors\n");
    folder = absolute_path(t->s->out);
    wrap_to_screen(
        stdout,
        "in %s:\n"
        "input.png; per map a .png, a .npy and an _input.npy; their numbers "
        "in cam.csv\n",
        folder);
    free(folder);
}

/* ---- the command --------------------------------------------------------- */

static int draw_all(Session *t, const Experiment *e)
{
    if (t->s->class_names[0])
        TRY(class_names_read(&t->names, t->s->class_names));
    TRY(check_cases(e, &t->names));
    TRY(make_input(t, &e->cases[0]));
    for (int i = 0; i < e->ncases; i++)
        TRY(make_map(t, &e->cases[i], e->ncases == 1));
    if (!t->n)
        return CMD_BAD;
    TRY(write_all(t));
    print_all(t);
    TRY(write_figure(t));
    printf("all maps as one figure: cam.svg and cam.png\n");
    return t->failed ? CMD_BAD : OK;
}

int cmd_cam(int argc, char **argv)
{
    CamSettings s;
    Flags flags;
    Experiment e;
    Session *t;
    int err;

    TRY(flags_parse(&flags, &usage, &s, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    TRY(flags_cases(&e, &flags, &usage, NULL));
    t = calloc(1, sizeof(*t));
    BUG_IF(!t);
    t->s = &s;
    err = draw_all(t, &e);
    for (int i = 0; i < t->n; i++) {
        cam_free(&t->at[i].cam);
        free(t->at[i].whole);
    }
    class_names_free(&t->names);
    image_free(&t->view);
    free(t->input);
    free(t);
    experiment_free(&e);
    return err;
}
