/*
 * paper.h - the SCSA paper's tables of throughput, and which run is which row.
 *
 * Source: results/paper/table1.csv and table2.csv, which are part of the
 * program.
 */
#ifndef ANALYSIS_PAPER_H
#define ANALYSIS_PAPER_H

enum { PAPER_ROWS_MAX = 64, PAPER_TEXT = 256 };

typedef enum PaperTable { PAPER_TABLE1, PAPER_TABLE2 } PaperTable;

/* One row.  What the paper prints, and what its network really counts; numbers
 * that the paper does not give are NAN, texts "". */
typedef struct PaperRow {
    char backbone[32]; /* as printed: "ResNet-50"; "" in Table 1          */
    char method[32];   /* as printed: "SCSA"; the backbone's own if plain */
    char type[16];     /* "Channel", "Spatial", "Hybrid"; "-" if plain    */
    char params_text[16], flops_text[16]; /* as printed, in M and G        */
    double params_m, flops_g;             /* the same                      */
    double throughput;                    /* images/s on the paper's GPU   */
    double top1, top5;          /* percent on ImageNet-1k                  */
    double params, flops, macs; /* counted: the convention of the paper    */
    char network[PAPER_TEXT];   /* see paper_network                       */
    /* Why a count is not what is printed, where that is known; and how a row
     * was read of which the paper says too little. */
    char params_note[PAPER_TEXT], flops_note[PAPER_TEXT], note[PAPER_TEXT];
} PaperRow;

typedef struct Paper {
    PaperRow at[PAPER_ROWS_MAX];
    int n;
} Paper;

/* Parses a table.  It fails only if the file in the repository is bad. */
int paper_read(Paper *out, PaperTable table);

/* The network that a repeat line measures, without the settings that say how:
 * "--backbone=resnet50 --module=scsa", the size of the input included.  Returns
 * text. */
char *paper_network(const char *repeat, char text[PAPER_TEXT]);

/* The row of the run with this repeat line, NULL if the paper has none. */
const PaperRow *paper_find(const Paper *paper, const char *repeat);

/* Row that a row is compared with: the first of its backbone. */
const PaperRow *paper_base(const Paper *paper, const PaperRow *row);

#endif
