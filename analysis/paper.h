/*
 * paper.h - the SCSA paper's Table 2, under the names of this program.
 *
 * Source: results/paper/table2.csv, which the program carries.
 */
#ifndef ANALYSIS_PAPER_H
#define ANALYSIS_PAPER_H

enum { PAPER_ROWS_MAX = 64 };

/* One row.  What the paper prints, and what its network really counts. */
typedef struct PaperRow {
    char backbone[32]; /* as printed: "ResNet-50"                         */
    char method[32];   /* as printed: "SCSA"; the backbone's own if plain */
    char type[16];     /* "Channel", "Spatial", "Hybrid"; "-" if plain    */
    double params_m, flops_g;   /* millions and billions, as printed       */
    double throughput;          /* images/s on the paper's GPU             */
    double top1, top5;          /* percent on ImageNet-1k                  */
    double params, flops, macs; /* counted: the convention of the paper    */
} PaperRow;

typedef struct Paper {
    PaperRow at[PAPER_ROWS_MAX];
    int n;
} Paper;

/* Parses the table.  It fails only if the file in the repository is bad. */
int paper_read(Paper *out);

/* The row of a backbone with a module ("none": plain) by the names of
 * attnbench list, "resnet50" and "scsa"; NULL if the paper has none.  Its row
 * "SE" is se_conv: see results/paper/README.md. */
const PaperRow *paper_find(const Paper *paper, const char *backbone,
                           const char *module);

#endif
