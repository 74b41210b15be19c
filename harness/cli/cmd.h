/*
 * cmd.h - the subcommands: one file cmd_<name>.c each, one line each here.
 */
#ifndef HARNESS_CMD_H
#define HARNESS_CMD_H

/*  name     what the list of commands says                                  */
#define COMMANDS(X)                                                           \
    X(list, "modules, backbones, backends, kernels, experiments, settings")   \
    X(count, "params, MACs, FLOPs and bytes, by op, module or network")       \
    X(verify, "compare case files (.safetensors) with an implementation")     \
    X(run, "measure an experiment (JSON) or one case; resumes")               \
    X(reproduce, "measure a table of the SCSA paper, with a verdict per row") \
    X(compare, "two cases, databases or sweeps: which is faster; gates")      \
    X(table, "print a stored experiment as a table")                          \
    X(profile, "time of a case, op by op")                                    \
    X(roofs, "measure the peak speeds of this machine")                       \
    X(why, "a module's time against those roofs, and its costliest ops")      \
    X(erf, "effective receptive fields: which input pixels a layer sees")     \
    X(cam, "Grad-CAM: which image regions drive a class score")               \
    X(plot, "draw figures from the database")                                 \
    X(export, "write stored runs as CSV or JSON")                             \
    X(import, "add runs that another program measured")                       \
    X(merge, "add what other databases hold")                                 \
    X(serve, "time cases for another attnbench: to compare two builds")       \
    X(doctor, "check this machine, and say how to fix what is missing")

/* Each gets what follows its name.  OK, or the error main will print; a
 * command that ends with a bad verdict returns CMD_BAD, having said why.  An
 * error ends the program with 1 or 2; but of a command that answers a question
 * by these, with CMD_NO_ANSWER. */
enum { CMD_BAD = 1, CMD_WRONG = 2, CMD_NO_ANSWER = 3 };
#define ANSWERS(X)  X(compare)
#define X(id, help) int cmd_##id(int argc, char **argv);
COMMANDS(X)
#undef X

#endif
