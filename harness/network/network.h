/*
 * network.h - a case as a graph with values in its weights.
 */
#ifndef HARNESS_NETWORK_H
#define HARNESS_NETWORK_H

#include <stdint.h>

#include "harness/files/hash.h"
#include "harness/network/case.h"
#include "harness/network/weight_values.h"
#include "kernels/core/backend.h"
#include "kernels/core/graph.h"
#include "kernels/core/op.h"
#include "kernels/core/plan.h"

/* Which outputs are wanted besides "output". */
typedef enum Taps { TAPS_NONE, TAPS_STAGE_MEANS } Taps;

/*
 * Builds c's graph: the input is named "input", the result "output"; with
 * TAPS_STAGE_MEANS also "stage1".."stage4", per-channel means (N,C).  The
 * graph is folded if c->graph says so.  A case of form=deploy with values of
 * FORM_TRAIN gets what re-parameterisation makes of them; one with a file of
 * weights takes these and ignores values.  values NULL leaves weights empty,
 * which is enough for counting; a file must fit nevertheless.
 *
 * If c->pass goes backwards, there are further inputs and outputs: passes.h.
 */
int network_build(Graph **out, const Case *c, const WeightValues *values,
                  Taps taps);

/*
 * The same up to the taps, which are its only outputs, under their own names;
 * what comes after the last of them is left out.  A tap is stage1 to stage4 of
 * a backbone, "output", or a scope: the last tensor that is computed in it, as
 * in "layer4", "layer4.2.bn2", "layer4.2.attn".  ERR_INPUT names one that does
 * not exist.
 */
int network_build_tapped(Graph **out, const Case *c, const WeightValues *values,
                         const char *const *tap, int n);

/* Hash of c's file of weights (hash.h); "" if they are seeded, or if it
 * cannot be read, which building reports. known: as in hash_file_once.
 * Returns text. */
char *network_weights_hash(char text[HASH_TEXT], const Case *c, Hashes *known);

/* Which form the values of c's weights are of: those of its file, if it has
 * one, else of values. */
int network_values_form(Form *form, const Case *c, const WeightValues *values);

/* Rows of c's classifier, as its file of weights has it; NO_CLASSES for a file
 * without one: a network that ends with the pooled features. */
int network_classes(int *classes, const Case *c);

/* The i-th input of g, "input" first; NULL past the end.  A target or the
 * gradient of an output may be another; erf has one for each of its taps. */
enum { NETWORK_INPUTS = 5 };
Tensor *network_input(const Graph *g, int i);

/* Its values unless others are given, in PyTorch's order. */
void network_seed_input(float *nchw, const Tensor *input, uint64_t seed);

/*
 * Runs g, which has values, once on dev; recorded: first records it, and then
 * replays that (the state called graph).  A module alone that is trained takes
 * three steps, so that the third knows what the others did.  inputs has an
 * array for each input of g, values gets one for each output, in PyTorch's
 * order; free each.
 */
int network_run(float **values, Graph *g, Device *dev, bool recorded,
                float *const *inputs);

/* The same with a plan of g that has its inputs. */
int network_run_plan(float **values, Plan *plan, const Graph *g);

/* ERR_MEMORY if this machine has less free than g needs at least: Linux
 * promises memory that it does not have, and kills who uses it, so ask first.
 * That is weights twice (ours and packed), the largest step with what it reads,
 * and as many bytes more; the weights alone where the device has memory of its
 * own, which reports by itself when it is full. */
int network_check_memory(const Graph *g, bool host_memory, double more);

/* Adds c to sum. */
void cost_add(Cost *sum, const Cost *c);

/* Cost of a node of c's graph; and of all of them. paper_flops is as the
 * paper's table counts a network: the classifier left out. */
Cost network_node_cost(const Case *c, const Tensor *node);
Cost network_cost(const Graph *g, const Case *c);

#endif
