/*
 * predict_say.c - what is said of a prediction.  Every line that has a time
 * says that it is predicted.
 */
#include "harness/explain/predict_say.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "analysis/csv.h"
#include "harness/report/table.h"

const char predict_note[] =
    "(predicted, not measured: our CUDA kernels ran on this machine's "
    "processor, where their memory requests were counted; nine constants of "
    "a card make times of the counts (--card, or an H200's by default).  A "
    "GPU's caches, clocks and libraries are not modelled: cuDNN and cuBLASLt "
    "may be faster than our own convolutions and products.)\n";

static void add(char text[PREDICT_TEXT], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void add(char text[PREDICT_TEXT], const char *fmt, ...)
{
    const size_t n = strlen(text);
    va_list args;

    va_start(args, fmt);
    vsnprintf(text + n, PREDICT_TEXT - n, fmt, args);
    va_end(args);
}

char *predict_say(char text[PREDICT_TEXT], const Predicted *p)
{
    char stream[32], graph[32], maps[32];

    text[0] = '\0';
    add(text,
        "predicted %s in a stream, %s in a graph; %d kernel%s, moves %s "
        "maps; the slowest is bound by %s",
        time_short(p->all.ns, stream), time_short(p->all.graph_ns, graph),
        p->all.launches, p->all.launches == 1 ? "" : "s",
        three_digits(p->maps, maps), bound_name(p->all.bound));
    return text;
}

char *predict_say_step(char text[PREDICT_TEXT], const PredictedStep *s)
{
    text[0] = '\0';
    add(text, "%s", s->kernel->name);
    if (s->launches != 1)
        add(text, " (%d kernels)", s->launches);
    add(text, ", bound by %s", bound_name(s->bound));
    if (s->sectors > 1.05)
        add(text, "; sectors %.2f times the ideal", s->sectors);
    if (s->waves > 1.05)
        add(text, "; wavefronts %.2f times the ideal", s->waves);
    return text;
}

char *predict_say_place(char text[PREDICT_TEXT], const SimtPlace *place)
{
    const SimtRequests *r = &place->sum;

    text[0] = '\0';
    if (r->units > 1.5 * r->ideal)
        add(text, "%s: %s %s, %.0f %s, %.1f times the ideal", place->where,
            place->shared ? "shared" : "global",
            place->writes ? "writes" : "reads", r->units,
            place->shared ? "wavefronts" : "sectors", r->units / r->ideal);
    return text;
}

void predict_csv_head(FILE *out)
{
    fputs("module,impl,dtype,batch,channels,height,width,kernels,"
          "predicted_stream_us,predicted_graph_us,maps,sectors_over_ideal,"
          "wavefronts_over_ideal,bound\n",
          out);
}

/* Empty where nothing was asked for. */
static void put_ratio(CsvRow *row, double ratio)
{
    if (isnan(ratio))
        csv_write(row, "");
    else
        csv_print(row, "%.2f", ratio);
}

void predict_csv_row(FILE *out, const Case *c, const Predicted *p)
{
    CsvRow row = { out };

    csv_write(&row, c->module.text);
    csv_write(&row, case_name("impl", c->impl));
    csv_write(&row, case_name("dtype", c->dtype));
    csv_print(&row, "%d", c->batch);
    csv_print(&row, "%d", c->channels);
    csv_print(&row, "%d", c->height);
    csv_print(&row, "%d", c->width);
    csv_print(&row, "%d", p->all.launches);
    csv_print(&row, "%.1f", p->all.ns / 1e3);
    csv_print(&row, "%.1f", p->all.graph_ns / 1e3);
    csv_print(&row, "%.2f", p->maps);
    put_ratio(&row, p->all.sectors);
    put_ratio(&row, p->all.waves);
    csv_write(&row, bound_name(p->all.bound));
    csv_end(&row);
}
