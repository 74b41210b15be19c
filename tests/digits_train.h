/*
 * digits_train.h - trains the network of the digits on the CPU.
 */
#ifndef TESTS_DIGITS_TRAIN_H
#define TESTS_DIGITS_TRAIN_H

typedef struct Training Training;

/* Before the first step, at a learning rate.  One thread, so that it takes as
 * long on a machine that has other things to do.  NULL: an error that says
 * why. */
Training *training_new(const char *module, double rate);
void training_free(Training *t); /* accepts NULL */

/* A step on the next DIGITS_BATCH training images, in the order of
 * digits_data.h and round again; and its loss.  NAN: an error. */
double training_step(Training *t);

/*
 * The share of the 360 test images that are recognised; NAN: an error.
 *
 * Batch norms have the mean and variance that their inputs have over an epoch
 * of training batches with the weights as they are now, each batch normalised
 * with its own statistics.  PyTorch takes a running average of the statistics
 * while it trains, whose first terms are of older weights; both estimate the
 * same and see training images alone.  ("Precise" batch norm of Wu and Johnson,
 * "Rethinking Batch in BatchNorm", 2021, arXiv:2105.07576.)
 */
double training_accuracy(Training *t);

#endif
