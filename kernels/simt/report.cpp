/*
 * report.cpp - what was found, as text: the first few places where something
 * is wrong in full, the rest counted.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernels/simt/state.h"

enum { KEPT = 4, KEPT_TEXT = 700 };

/* A report in full. */
static struct Report {
    SimtKind kind;
    Place at;
    char text[KEPT_TEXT];
} kept[KEPT];
static int nkept, nreports;

static const char *const kind_name[] = {
#define X(id, name, means) name,
    SIMT_KINDS(X)
#undef X
};

/* The file that an instruction is from, and where it is in there. */
struct Image {
    char file[PATH_MAX];
    uintptr_t offset;
};

static Image image_of(uintptr_t pc)
{
    Image image = { "", pc };
    Dl_info info;

    snprintf(image.file, sizeof(image.file), "/proc/%d/exe", (int)getpid());
    if (pc >> 32 && dladdr((void *)pc, &info)) { /* the plugin */
        snprintf(image.file, sizeof(image.file), "'%s'", info.dli_fname);
        image.offset = pc - (uintptr_t)info.dli_fbase;
    }
    return image;
}

/* True if "file:line" are of one file. */
static bool same_file(const char *a, const char *b)
{
    const size_t n = strcspn(a, ":");

    return strncmp(a, b, n + 1) == 0;
}

/* The lines of source of an instruction, innermost first, of which two are
 * told: the first, and the next in another file. */
static void source_lines(uintptr_t pc, char text[PLACE_TEXT])
{
    char command[PATH_MAX + 64];
    char line[PLACE_TEXT / 2], first[PLACE_TEXT / 2] = "";
    char from[PLACE_TEXT / 2] = "";
    const Image in = image_of(pc);
    FILE *f;

    snprintf(text, PLACE_TEXT, "0x%lx", (unsigned long)pc);
    snprintf(command, sizeof(command),
             "addr2line -i -s -e %s 0x%lx 2>/dev/null", in.file,
             (unsigned long)in.offset - 1);
    f = popen(command, "r");
    if (!f)
        return;
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, " \n")] = 0; /* " (discriminator 2)" */
        if (!first[0])
            memcpy(first, line, sizeof(first));
        else if (!from[0] && !same_file(first, line))
            memcpy(from, line, sizeof(from));
    }
    pclose(f);
    if (from[0])
        snprintf(text, PLACE_TEXT, "%s (from %s)", first, from);
    else if (first[0] && first[0] != '?')
        snprintf(text, PLACE_TEXT, "%s", first);
}

void place_text(Place at, char text[PLACE_TEXT])
{
    const char *slash = at.file ? strrchr(at.file, '/') : NULL;

    if (at.file)
        snprintf(text, PLACE_TEXT, "%s:%d", slash ? slash + 1 : at.file,
                 at.line);
    else
        source_lines(at.pc, text);
}

bool report_is_new(SimtKind kind, Place at)
{
    for (int i = 0; i < nkept; i++)
        if (kept[i].kind == kind && kept[i].at.pc == at.pc &&
            kept[i].at.line == at.line)
            return false;
    return nkept < KEPT;
}

static void keep(SimtKind kind, Place at, const char *sentence)
{
    Report *r = &kept[nkept++];
    char where[PLACE_TEXT];
    int n;

    r->kind = kind;
    r->at = at;
    place_text(at, where);
    n = snprintf(r->text, sizeof(r->text), "%s: %s, at %s", kind_name[kind],
                 sentence, where);
    if (in_kernel() && n < (int)sizeof(r->text)) {
        const uint3 b = simt_self->block, t = simt_self->thread;

        snprintf(r->text + n, sizeof(r->text) - (size_t)n,
                 " (block %u,%u,%u thread %u,%u,%u)", b.x, b.y, b.z, t.x, t.y,
                 t.z);
    }
}

static void report_args(SimtKind kind, Place at, const char *fmt, va_list args)
{
    char sentence[KEPT_TEXT];

    nreports++;
    if (!report_is_new(kind, at))
        return;
    vsnprintf(sentence, sizeof(sentence), fmt, args);
    keep(kind, at, sentence);
}

void report(SimtKind kind, Place at, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    report_args(kind, at, fmt, args);
    va_end(args);
}

void simt_report(SimtKind kind, const char *file, int line, const char *fmt,
                 ...)
{
    va_list args;

    va_start(args, fmt);
    report_args(kind, { 0, file, line }, fmt, args);
    va_end(args);
}

int reports_so_far(void)
{
    return nreports;
}

extern "C" int simt_take_errors(char *text, size_t size)
{
    const int n = nreports;
    size_t at = 0;

    if (size)
        text[0] = 0;
    for (int i = 0; i < nkept && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s%s", i ? "\n" : "",
                               kept[i].text);
    nkept = nreports = 0;
    return n;
}
