/*
 * style.c - which line a module has, the same in every figure.
 */
#include <string.h>

#include "plots/sheet.h"

/* The i-th has line style i + 1 in theme.gp; what is not listed shares those
 * after them. */
static const char *const styled[] = {
    "scsa",  "se",   "se_conv", "eca", "fca", "cpca",
    "afgca", "cbam", "sa",      "ela", "ca",  "ema",
};
enum { STYLED = sizeof(styled) / sizeof(styled[0]), SPARE = 3 };
enum { FUSED = 16 }; /* as many before the dotted ones */

int module_style(const char *module)
{
    unsigned sum = 0;

    for (int i = 0; i < STYLED; i++)
        if (strcmp(styled[i], module) == 0)
            return i + 1;
    for (; *module; module++)
        sum = sum * 31 + (unsigned char)*module;
    return STYLED + 1 + (int)(sum % SPARE);
}

int run_style(const Run *r)
{
    return module_style(r->c.module.text) + (run_is_fused(r) ? FUSED : 0);
}
