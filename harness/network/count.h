/*
 * count.h - what a network costs, split by what it is made of.
 */
#ifndef HARNESS_COUNT_H
#define HARNESS_COUNT_H

#include "harness/network/origin.h"
#include "harness/network/case.h"
#include "kernels/core/graph.h"
#include "kernels/core/op.h"

typedef enum CountBy { COUNT_NETWORK, COUNT_MODULE, COUNT_OP } CountBy;

typedef struct CountRow {
    char name[ROW_NAME]; /* of the op, or where in the network: "layer1.0" */
    int nodes;
    double params; /* a weight that several nodes read is the first one's */
    Cost cost;
} CountRow;

typedef struct Count {
    CountRow *at; /* in the order of the network */
    int n;
    CountRow total;
} Count;

/* Splits the graph of case c; every node and weight is in one row. */
void count_graph(Count *out, const Graph *g, const Case *c, CountBy by);
void count_free(Count *count);

#endif
