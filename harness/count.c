/*
 * count.c - adds up what the ops of a network state about themselves.
 */
#include "harness/count.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/network.h"
#include "kernels/core/err.h"

/*
 * A scope cut to the block that it is in: up to the block's number, and one
 * further for what is plugged into it.  "layer1.0.conv2" is "layer1.0",
 * "layer1.0.attn.fc" is "layer1.0.attn", and "fc" is itself.
 */
static void block_of(char row[ROW_NAME], const char *scope)
{
    size_t n = strcspn(scope, "."), next = n;

    while (scope[next] == '.') {
        const size_t begin = next + 1;

        next = begin + strcspn(scope + begin, ".");
        if (isdigit((unsigned char)scope[begin])) {
            n = next;
            break;
        }
    }
    if (strncmp(scope + n, ".attn", 5) == 0)
        n += 1 + strcspn(scope + n + 1, ".");
    snprintf(row, ROW_NAME, "%.*s", (int)n, scope);
}

static void name_row(char row[ROW_NAME], const Tensor *node, const Case *c,
                     CountBy by)
{
    if (by == COUNT_OP)
        snprintf(row, ROW_NAME, "%s", node->op->name);
    else if (by == COUNT_MODULE)
        block_of(row, node->name);
    else
        snprintf(row, ROW_NAME, "%s+%s", c->backbone.text, c->module.text);
    if (!row[0])
        snprintf(row, ROW_NAME, "%s", c->module.text);
}

static CountRow *find_row(Count *count, const char *name)
{
    for (int i = count->n - 1; i >= 0; i--)
        if (strcmp(count->at[i].name, name) == 0)
            return &count->at[i];
    snprintf(count->at[count->n].name, ROW_NAME, "%s", name);
    return &count->at[count->n++];
}

/* Learned numbers that node reads and no node before it did. */
static double new_params(const Tensor *node, bool *seen)
{
    double n = 0;

    for (int k = 0; k < MAX_SRC; k++) {
        const Tensor *w = node->src[k];

        if (w && w->role == ROLE_WEIGHT && !seen[w->id]) {
            seen[w->id] = true;
            n += (double)tensor_count(w);
        }
    }
    return n;
}

static void add(CountRow *row, double params, const Cost *cost)
{
    row->nodes++;
    row->params += params;
    cost_add(&row->cost, cost);
}

void count_graph(Count *out, const Graph *g, const Case *c, CountBy by)
{
    const size_t n = (size_t)graph_size(g) + 1;
    bool *seen = calloc(n, sizeof(*seen));

    memset(out, 0, sizeof(*out));
    out->at = calloc(n, sizeof(*out->at));
    BUG_IF(!out->at || !seen);
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        char name[ROW_NAME];
        double params;
        Cost cost;

        if (t->role != ROLE_NODE)
            continue;
        name_row(name, t, c, by);
        params = new_params(t, seen);
        cost = network_node_cost(c, t);
        add(find_row(out, name), params, &cost);
        add(&out->total, params, &cost);
    }
    snprintf(out->total.name, ROW_NAME, "total");
    free(seen);
}

void count_free(Count *count)
{
    free(count->at);
    memset(count, 0, sizeof(*count));
}
