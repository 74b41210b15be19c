/*
 * kernel_cases_training.c - loss and descent, for the table of kernel_cases.h
 */
#include "tests/kernel_cases_rows.h"

#define SGD ATTR(SgdAttr, 0.1, 0.9, 1e-3)

/* clang-format off */
const KernelCase training_cases[] = {
    { &cross_entropy_def, { D(8,1000), D(8,1000) }, "ImageNet" },
    { &cross_entropy_def, { D(1,1), D(1,1) }, "smallest" },
    { &cross_entropy_def, { D(3,10), D(3,10) }, "fewer than a vector" },
    { &cross_entropy_def, { D(2,33), D(2,33) }, "one more than two vectors" },
    { &cross_entropy_def, { D(65,7), D(65,7) }, "many images" },
    { &cross_entropy_grad_def, { D(8,1000), D(8,1000) }, "ImageNet" },
    { &cross_entropy_grad_def, { D(1,1), D(1,1) }, "smallest" },
    { &cross_entropy_grad_def, { D(3,10), D(3,10) }, "fewer than a vector" },
    { &cross_entropy_grad_def, { D(2,33), D(2,33) },
      "one more than two vectors" },
    { &cross_entropy_grad_def, { D(65,7), D(65,7) }, "many images" },

    { &sgd_velocity_def, { D(64,64,3,3), D(64,64,3,3), D(64,64,3,3) },
      "a convolution's", SGD },
    { &sgd_velocity_def, { D(1), D(1), D(1) }, "smallest", SGD },
    { &sgd_velocity_def, { D(33), D(33), D(33) }, "odd", SGD },
    { &sgd_weight_def, { D(64,64,3,3), D(64,64,3,3) }, "a convolution's",
      SGD },
    { &sgd_weight_def, { D(1), D(1) }, "smallest", SGD },
    { &sgd_weight_def, { D(33), D(33) }, "odd", SGD },
    { NULL },
};
/* clang-format on */
