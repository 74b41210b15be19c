/*
 * cam.c - class activation maps side by side.
 *
 * The data file lists the panels: file, title, what is said of it.
 */
#include "plots/cam.h"

#include <math.h>

#include "plots/sheet.h"

enum {
    IN_ROW = 4,
    PANEL = 170, /* the longer side, in points       */
    GAP = 10,
    TOP = 22,   /* the title                         */
    UNDER = 32, /* what is said                      */
    EDGE = 10,
    SCALE = 62, /* the colours and their numbers     */
    BAR = 9,
};

static const char template[] =
#include "plots/cam.gp.inc"
    ;

static void write_panels(Sheet *s, const CamPage *page)
{
    char name[32];

    fprintf(s->gp,
            "array File[%d]\narray Title[%d]\narray Said[%d]\n"
            "array Also[%d]\n",
            page->n, page->n, page->n, page->n);
    fprintf(s->dat, "# file title said said\n");
    for (int i = 0; i < page->n; i++) {
        const CamPanel *p = &page->panel[i];
        const char *const texts[] = { p->file, p->title, p->said[0],
                                      p->said[1] };
        static const char *const names[] = { "File", "Title", "Said", "Also" };

        for (int k = 0; k < 4; k++) {
            snprintf(name, sizeof(name), "%s[%d]", names[k], i + 1);
            sheet_text(s, name, "%s", texts[k]);
            sheet_word(s, texts[k]);
        }
        fputc('\n', s->dat);
    }
}

static int draw(Sheet *s)
{
    const CamPage *page = s->page;
    const int columns = page->n < IN_ROW ? page->n : IN_ROW;
    const int rows = (page->n + columns - 1) / columns;
    const double longer = fmax(page->width, page->height);
    const double wide = PANEL * page->width / longer;
    const double high = PANEL * page->height / longer;

    write_panels(s, page);
    sheet_text(s, "helix", "%s", page->colours);
    sheet_number(s, "scale", page->scale);
    sheet_number(s, "panels", page->n);
    sheet_number(s, "columns", columns);
    sheet_number(s, "rows", rows);
    sheet_number(s, "xpixels", page->width);
    sheet_number(s, "ypixels", page->height);
    sheet_number(s, "panel_width", wide);
    sheet_number(s, "panel_height", high);
    sheet_number(s, "gap", GAP);
    sheet_number(s, "edge", EDGE);
    sheet_number(s, "top", TOP);
    sheet_number(s, "under", UNDER);
    sheet_number(s, "bar", BAR);
    sheet_say(s, "%s", page->caption);
    sheet_foot(s, page->conditions, EDGE + columns * (wide + GAP) + SCALE,
               rows * (TOP + high + UNDER));
    return 0;
}

int plot_cam(const CamPage *page, const char *folder)
{
    static const Figure figure = {
        .name = "cam",
        .help = "which image regions drive a class score (Grad-CAM)",
        .template = template,
        .draw = draw
    };
    const PlotOptions options = { .out = folder, .formats = "svg,png" };

    return figure_write(&figure, &(Sheet){ .options = &options, .page = page });
}
