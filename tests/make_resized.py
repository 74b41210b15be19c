#!/usr/bin/env python3
"""make_resized.py - writes tests/resized.h: what PIL makes of a picture.

The transform is torchvision's for evaluation, Resize and CenterCrop, on a
picture that tests/test_image.c makes by the same formula.  Needs Pillow:

    python3 tests/make_resized.py > tests/resized.h
"""
from PIL import Image

SIZE = 7  # of the crop; 8 is to 7 as 256 to 224
CASES = [(40, 30), (23, 61), (5, 6), (8, 8)]  # width, height


def pixel(x, y, c):
    return (x * x * 7 + y * 13 + x * y * 5 + c * 83) % 256


def picture(width, height):
    image = Image.new("RGB", (width, height))
    image.putdata([tuple(pixel(x, y, c) for c in range(3))
                   for y in range(height) for x in range(width)])
    return image


def view(image):
    """Resize(8), CenterCrop(7) of torchvision.transforms."""
    width, height = image.size
    to = round(SIZE * 256 / 224)
    if width <= height:
        new = (to, int(to * height / width))
    else:
        new = (int(to * width / height), to)
    if new != image.size:
        image = image.resize(new, Image.BILINEAR)
    left = int(round((new[0] - SIZE) / 2.0))
    top = int(round((new[1] - SIZE) / 2.0))
    return image.crop((left, top, left + SIZE, top + SIZE))


print("""/*
 * resized.h - what PIL makes of a picture: written by tests/make_resized.py.
 */
#ifndef TESTS_RESIZED_H
#define TESTS_RESIZED_H

enum { RESIZED_SIZE = %d };

typedef struct Resized {
    int width, height; /* of the picture; then its resized middle, RGB */
    unsigned char rgb[3 * RESIZED_SIZE * RESIZED_SIZE];
} Resized;

/* clang-format off */
static const Resized resized[] = {""" % SIZE)
for size in CASES:
    data = [b for p in view(picture(*size)).getdata() for b in p]
    print("    { %d, %d, {" % size)
    for i in range(0, len(data), 15):
        print("        " + " ".join("%d," % b for b in data[i:i + 15]))
    print("    } },")
print("""};
/* clang-format on */

#endif""")
