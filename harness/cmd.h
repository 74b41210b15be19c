/*
 * cmd.h - the subcommands: one file cmd_<name>.c each, one line each here.
 */
#ifndef HARNESS_CMD_H
#define HARNESS_CMD_H

/*  name     what the list of commands says                                  */
#define COMMANDS(X)                                                           \
    X(list, "what there is: modules, backbones, backends, kernels, settings") \
    X(count, "params, MACs, FLOPs and bytes, by op, module or network")       \
    X(verify, "compare case files (.safetensors) with an implementation")     \
    X(run, "measure an experiment (JSON) or one case; resumes")               \
    X(reproduce, "measure a table of the SCSA paper, with a verdict a row")   \
    X(table, "print a stored experiment as a table")                          \
    X(why, "why a module costs what it costs, in a line")                     \
    X(cam, "class activation maps: what a score rests on, as pictures")       \
    X(roofs, "how fast this machine is at best, measured")                    \
    X(profile, "time of one case, op by op")                                  \
    X(erf, "what of the input a layer heeds: effective receptive fields")     \
    X(plot, "draw figures from the database")                                 \
    X(export, "write stored runs as CSV or JSON")                             \
    X(import, "add runs that another program measured")                       \
    X(doctor, "what this machine can do, and the fix for what it cannot")

/* Each gets what follows its name.  OK, or the error main will print; a
 * command that ends with a bad verdict returns CMD_BAD, having said why. */
enum { CMD_BAD = 1 };
#define X(id, help) int cmd_##id(int argc, char **argv);
COMMANDS(X)
#undef X

#endif
