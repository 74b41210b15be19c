/*
 * origin.c - cuts the scope of a node to its block.
 */
#include "harness/network/origin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

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

bool network_in_module(const Tensor *node)
{
    return node->origin == ORIGIN_MODULE;
}

/* A network's own op may be in a scope of this name, as in Swin. */
static const char *plug_end(const char *end, const Tensor *node)
{
    const bool plugged = node->origin != ORIGIN_NETWORK;

    return plugged && strncmp(end, ".attn", 5) == 0 ? part_end(end + 1) : end;
}

char *network_block(char row[ROW_NAME], const Tensor *node)
{
    const char *end = plug_end(block_end(node->name), node);

    snprintf(row, ROW_NAME, "%.*s", (int)(end - node->name), node->name);
    return row;
}
