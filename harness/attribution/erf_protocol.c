/*
 * erf_protocol.c - ours, and those of two published scripts.
 *
 * Source: github.com/DingXiaoH/RepLKNet-pytorch, erf/ (X. Ding et al., "Scaling
 * Up Your Kernels to 31x31", CVPR 2022); github.com/HZAI-ZJNU/SCSA,
 * tools/visualization/vis_field.py (Y. Si et al., 2025).
 */
#include <stdio.h>
#include <string.h>

#include "harness/attribution/erf.h"
#include "kernels/core/err.h"

static const ErfProtocol protocols[] = {
    {
        .name = "attnbench",
        .about =
            "The gradient of a tap's middle unit (the mean of the middle two "
            "or four if a side is even), summed over the tap's channels, "
            "with respect to the input; its absolute value, summed over the "
            "input's channels.  Each draw is divided by its sum, so that all "
            "count equally; then draws are averaged.  The map is measured as "
            "it is.  Squares are centred on the unit's theoretical field, "
            "which strides can move up to half a stride from the input's "
            "centre.  A draw is one input of seeded noise in a network of "
            "seeded weights, as in Luo et al.; draws are split over sets of "
            "weights, and intervals are over sets.",
        .rule = ERF_ABSOLUTE,
        .each_alike = true,
    },
    {
        .name = "replknet",
        .about =
            "Follows RepLKNet's script: unit (rows / 2, columns / 2) of the "
            "last stage, summed over the channels where it is positive; the "
            "positive part of the gradient, summed over the input's "
            "channels; the mean over draws, so that draws with large "
            "gradients count more; then log10(x + 1).  Areas are measured on "
            "that, so they depend on the scale of the gradient (the peak is "
            "printed).  Squares are centred on the input.  Unlike the "
            "script's, they start at one pixel and end at the whole input.  "
            "The script used trained weights and 50 images, resized to "
            "1024x1024 whatever their shape.",
        .rule = ERF_POSITIVE,
        .middle = ERF_UPPER_HALF,
        .curve = ERF_LOG,
        .relu = true,
        .image_centre = true,
    },
    {
        .name = "scsa",
        .about =
            "Follows the script of SCSA's Figure 5: unit (rows / 2 - 1, "
            "columns / 2 - 1), which in a 7x7 map is not the middle; of "
            "layer4.2.bn2, before the ReLU, in the plain ResNet-50, but of "
            "layer4.2.attn, after the ReLU, in one with a module.  The "
            "gradient's absolute value; the mean over draws, then (x - min) "
            "/ (max - min), which removes any constant offset.  (The "
            "script's softmax over channels runs over an axis of length 1, "
            "so it has no effect.)  The script used trained weights and up "
            "to 300 random images, and published no numbers.",
        .rule = ERF_ABSOLUTE,
        .middle = ERF_BEFORE_UPPER_HALF,
        .curve = ERF_MIN_MAX,
    },
};
enum { PROTOCOLS = sizeof(protocols) / sizeof(protocols[0]) };

const ErfProtocol *erf_protocol_at(int i)
{
    return i >= 0 && i < PROTOCOLS ? &protocols[i] : NULL;
}

const char *erf_protocol_name(int i)
{
    return i >= 0 && i < PROTOCOLS ? protocols[i].name : NULL;
}

const ErfProtocol *erf_protocol_find(const char *name)
{
    for (int i = 0; i < PROTOCOLS; i++)
        if (strcmp(protocols[i].name, name) == 0)
            return &protocols[i];
    return NULL;
}

const char *erf_rule_name(int i)
{
    static const char *const names[] = { "absolute", "square", "positive" };

    return i >= 0 && i < ERF_SIGNED ? names[i] : NULL;
}

int erf_default_taps(const char **taps, const ErfProtocol *p, const Case *c)
{
    const bool plain = !case_module(c);

    *taps = "stage3,stage4";
    if (strcmp(c->backbone.text, "none") == 0)
        *taps = "output";
    else if (p->curve == ERF_LOG)
        *taps = "stage4";
    else if (p->curve == ERF_MIN_MAX && strcmp(c->backbone.text, "resnet50"))
        return fail(ERR_INPUT,
                    "protocol=scsa has a default tap for resnet50 only; "
                    "choose one for %s with --tap=",
                    c->backbone.text);
    else if (p->curve == ERF_MIN_MAX)
        *taps = plain ? "layer4.2.bn2" : "layer4.2.attn";
    return OK;
}

static const char *rule_text(ErfRule rule)
{
    static const char *const texts[] = { "|gradient|", "squared gradient",
                                         "positive part of the gradient",
                                         "signed gradient" };

    return texts[rule];
}

static void describe_unit(char text[96], const Erf *erf, const ErfAsk *ask)
{
    const ErfMiddle middle = ask->protocol->middle;

    if (middle == ERF_MIDDLE)
        snprintf(text, 96, "middle of the %dx%d units", erf->rows,
                 erf->columns);
    else
        snprintf(text, 96, "unit (%d,%d) of the %dx%d units",
                 erf->rows / 2 - (middle == ERF_BEFORE_UPPER_HALF),
                 erf->columns / 2 - (middle == ERF_BEFORE_UPPER_HALF),
                 erf->rows, erf->columns);
}

static const char *plural(int n)
{
    return n == 1 ? "" : "s";
}

/* "intervals over 10 sets" */
static void describe_intervals(char text[64], const Erf *erf, const ErfAsk *ask)
{
    const char *of = ask->sets > 1 ? "set" : "draw";

    if (erf->n > 1)
        snprintf(text, 64, "intervals over %d %ss", erf->n, of);
    else
        snprintf(text, 64, "1 %s: no interval", of);
}

char *erf_describe(char text[ERF_TEXT], const Erf *erf, const Case *c,
                   const ErfAsk *ask)
{
    static const char *const curves[] = { "linear", "log10(x + 1)",
                                          "(x - min) / (max - min)" };
    const ErfProtocol *p = ask->protocol;
    const bool seeded = strcmp(c->weights.text, "seeded") == 0;
    char unit[96], weights[PARAM_FILE_MAX + 64], gain[48] = "";
    char intervals[64];

    describe_unit(unit, erf, ask);
    describe_intervals(intervals, erf, ask);
    if (c->norm_gain > 0)
        snprintf(gain, sizeof(gain), ", norm_gain %.6g", c->norm_gain);
    if (seeded)
        snprintf(weights, sizeof(weights), "%d set%s of seeded weights%s",
                 ask->sets, plural(ask->sets), gain);
    else
        snprintf(weights, sizeof(weights), "weights %s (FNV-1a %s)",
                 c->weights.text, ask->weights_hash);
    snprintf(text, ERF_TEXT,
             "%s: %s of %s (%s, %d channels%s), channels summed; %s of input "
             "%dx%dx%d, channels summed; %d draw%s of %s, %s, seed %llu; %s; "
             "%s; squares about (%g,%g); %s, f32; %s",
             p->name, unit, erf->tap, erf->layer, erf->channels,
             p->relu ? ", where positive" : "", rule_text(ask->rule),
             c->channels, erf->height, erf->width, ask->draws,
             plural(ask->draws),
             ask->input.fill ? ask->input.about : "uniform noise", weights,
             (unsigned long long)ask->seed,
             p->each_alike ? "mean of the draws, each divided by its sum"
                           : "mean of the draws as they are",
             curves[p->curve], erf->y, erf->x, case_name("graph", c->graph),
             intervals);
    return text;
}
