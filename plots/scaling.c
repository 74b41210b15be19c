/*
 * scaling.c - the figures of growth: channels, resolution, complexity.
 *
 * Gathering and naming of lines is in lines.c, the template is scaling.gp.
 */
#include <math.h>

#include "plots/lines.h"

enum { WIDE = 530, NARROW = 370 }; /* a column and a half, a column */

static const char *const time_units[] = { "ns", "µs", "ms", "s", NULL };
static const char *const flops_units[] = { "FLOP",  "kFLOP", "MFLOP",
                                           "GFLOP", "TFLOP", NULL };
static const char *const bytes_units[] = { "B", "kB", "MB", "GB", NULL };

static const char *const channel_axes[] = { "module", "impl", "settings",
                                            "channels", NULL };
static const char *const side_axes[] = { "module", "impl",  "settings",
                                         "height", "width", NULL };

static const char channels_label[] = "channels";
static const char flops_label[] = "operations";
static const char bytes_label[] = "operands of every operation, each once";
static const char side_label[] = "height and width of the input (pixels)";

static double channels(const Run *r)
{
    return r->c.channels;
}

static double side(const Run *r)
{
    return sqrt((double)r->c.height * r->c.width);
}

static Point time_point(const Run *r)
{
    return (Point){ 0,          r->time.median, r->time.lo,
                    r->time.hi, r->o.converged, r->time.n };
}

static Point flops_point(const Run *r)
{
    return (Point){ 0, r->o.flops, r->o.flops, r->o.flops, 1, 0 };
}

static Point bytes_point(const Run *r)
{
    return (Point){ 0, r->o.bytes, r->o.bytes, r->o.bytes, 1, 0 };
}

int figure_channels(Sheet *s)
{
    const Panel panel = {
        "channels", channel_axes, channels_label, "time",
        channels,   time_point,   time_units,     "1 is linear in channels",
    };

    return lines_write(s, &(Panels){ &panel, 1, WIDE, WIDE * 0.62 });
}

int figure_resolution(Sheet *s)
{
    const Panel panel = {
        "resolution", side_axes,  side_label, "time",
        side,         time_point, time_units, "2 is linear in pixels",
    };

    return lines_write(s, &(Panels){ &panel, 1, WIDE, WIDE * 0.62 });
}

int figure_complexity(Sheet *s)
{
    const Panel panels[] = {
        { "channels", channel_axes, channels_label, flops_label, channels,
          flops_point, flops_units, NULL },
        { "resolution", side_axes, side_label, flops_label, side, flops_point,
          flops_units, NULL },
        { "channels", channel_axes, channels_label, bytes_label, channels,
          bytes_point, bytes_units, NULL },
        { "resolution", side_axes, side_label, bytes_label, side, bytes_point,
          bytes_units, NULL },
    };

    s->counted = true;
    return lines_write(s, &(Panels){ panels, 4, NARROW, NARROW * 0.72 });
}
