/*
 * count.c - adds up what the ops of a network state about themselves.
 */
#include "harness/network/count.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/network/network.h"
#include "kernels/core/err.h"

/* The end of the part of a scope that begins here; whether it is a number. */
static const char *part_end(const char *part)
{
    return part + strcspn(part, ".");
}

static bool is_number(const char *part)
{
    return isdigit((unsigned char)part[0]) != 0;
}

/*
 * The end of a scope's block.  A block has its stage's number and its own:
 * layer1.0, stages.0.0, or stages.0.blocks.0; what stands next to the blocks
 * of a stage counts as one: stages.1.downsample.  All else is its first part.
 */
static const char *block_end(const char *scope)
{
    const char *end = part_end(scope), *part = end + 1;
    const bool stage_inside = end > scope && isdigit((unsigned char)end[-1]);

    if (!*end || !is_number(part))
        return end;
    end = part_end(part);
    if (!*end || stage_inside)
        return end;
    part = end + 1;
    end = part_end(part);
    if (*end && strncmp(part, "blocks.", 7) == 0)
        end = part_end(end + 1);
    return end;
}

/* A scope cut to the block that it is in, or to what is plugged into it:
 * "layer1.0.conv2" is "layer1.0", "layer1.0.attn.fc" is "layer1.0.attn". */
static void block_of(char row[ROW_NAME], const char *scope)
{
    const char *end = block_end(scope);

    if (strncmp(end, ".attn", 5) == 0)
        end = part_end(end + 1);
    snprintf(row, ROW_NAME, "%.*s", (int)(end - scope), scope);
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
