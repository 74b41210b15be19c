/*
 * weights.c - weights from a file, of a module or of a network.
 *
 * After an m come all of the file's bytes.  After an n come changes of the
 * header of a file that fits a network: such a file is too large to be mutated
 * itself, and its names are too many to be found.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/network/network.h"
#include "harness/network/weight_values.h"
#include "kernels/core/err.h"
#include "tests/databases.h"
#include "tests/fuzz/fuzz.h"

enum {
    CHANNELS = 16,
    SIDE = 4,
    CHANGES = 8,
    PIECE = 32, /* of a header, at most */
    ROOM = CHANGES * PIECE,
    LENGTH_BYTES = 8,
};

/* ---- a module ------------------------------------------------------------ */

static Graph *module_graph(void)
{
    Graph *g;
    Case c;

    case_defaults(&c);
    BUG_IF(case_set(&c, "module", "se") != OK);
    c.channels = CHANNELS;
    c.height = c.width = SIDE;
    BUG_IF(case_complete(&c) != OK ||
           network_build(&g, &c, NULL, TAPS_NONE) != OK);
    return g;
}

static void give(const uint8_t *data, size_t n)
{
    WeightValues values = { .whole = true };
    Safetensors *st;
    Graph *g;

    if (st_open(&st, fuzz_file("module.safetensors", data, n)) != OK)
        return;
    g = module_graph();
    values.file = st;
    weight_values_give(g, &values);
    weight_values_missing(g, &values);
    graph_free(g);
    st_close(st);
}

/* ---- a network ----------------------------------------------------------- */

/* A file of which the header is written again and again, with room to grow. */
typedef struct NetworkFile {
    char path[600];
    char *header;
    size_t length, room;
} NetworkFile;

static void write_at_once(const NetworkFile *f, const char *bytes, size_t n)
{
    const uint64_t length = f->length + ROOM;
    FILE *out = fopen(f->path, "wb");

    BUG_IF(!out || fwrite(&length, 1, LENGTH_BYTES, out) != LENGTH_BYTES);
    BUG_IF(fwrite(f->header, 1, f->length, out) != f->length);
    BUG_IF(fprintf(out, "%*s", ROOM, "") != ROOM);
    BUG_IF(fwrite(bytes + LENGTH_BYTES + f->length, 1,
                  n - LENGTH_BYTES - f->length,
                  out) != n - LENGTH_BYTES - f->length);
    BUG_IF(fclose(out));
}

/* The seeded weights of c. */
static void make_file(NetworkFile *f, const Case *c)
{
    const WeightValues seeded = { .seed = 1 };
    StWriter *w = st_writer_new();
    char *bytes;
    size_t n;
    Graph *g;

    snprintf(f->path, sizeof(f->path), "%s", temp_path("network.safetensors"));
    BUG_IF(network_build(&g, c, &seeded, TAPS_NONE) != OK);
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (tensor_is_weight(t))
            st_writer_tensor(w, t->name, t->rank, t->dim, t->host);
    }
    BUG_IF(st_writer_save(w, f->path) != OK);
    st_writer_free(w);
    graph_free(g);
    bytes = read_bytes(f->path, &n);
    BUG_IF(!bytes);
    memcpy(&f->length, bytes, LENGTH_BYTES);
    f->header = malloc(f->length);
    BUG_IF(!f->header);
    memcpy(f->header, bytes + LENGTH_BYTES, f->length);
    write_at_once(f, bytes, n);
    free(bytes);
}

/* A piece of the text goes, and another takes its place: where it is, the
 * lengths of both, and what comes. */
static size_t change(char *text, size_t n, size_t room, Choices *c)
{
    const size_t at = fuzz_choose(c, n < 65536 ? (unsigned)n : 65536);
    size_t out = fuzz_choose(c, PIECE), in = fuzz_choose(c, PIECE);

    out = out < n - at ? out : n - at;
    in = in < c->left ? in : c->left;
    in = in < room - (n - out) ? in : room - (n - out);
    memmove(text + at + in, text + at + out, n - at - out);
    memcpy(text + at, c->at, in);
    c->at += in;
    c->left -= in;
    return n - out + in;
}

static void change_header(const NetworkFile *f, Choices *c)
{
    const size_t room = f->length + ROOM;
    char *text = malloc(room);
    size_t n = f->length;
    FILE *out = fopen(f->path, "r+b");

    BUG_IF(!text || !out);
    memcpy(text, f->header, n);
    for (int i = 0; i < CHANGES && c->left; i++)
        n = change(text, n, room, c);
    memset(text + n, ' ', room - n);
    BUG_IF(fseek(out, LENGTH_BYTES, SEEK_SET));
    BUG_IF(fwrite(text, 1, room, out) != room || fclose(out));
    free(text);
}

static void load_changed(const uint8_t *data, size_t n)
{
    static NetworkFile file;
    const WeightValues values = { .seed = 1 };
    Choices choices = { data, n };
    Graph *g;
    Case c;

    case_defaults(&c);
    BUG_IF(case_set(&c, "backbone", "mobilenetv2_100") != OK);
    BUG_IF(case_complete(&c) != OK);
    if (!file.header)
        make_file(&file, &c);
    change_header(&file, &choices);
    BUG_IF(case_set(&c, "weights", file.path) != OK);
    if (network_build(&g, &c, &values, TAPS_NONE) == OK)
        graph_free(g);
}

void fuzz_weights(const uint8_t *data, size_t n)
{
    if (n && *data == 'n')
        load_changed(data + 1, n - 1);
    else if (n)
        give(data + 1, n - 1);
}
