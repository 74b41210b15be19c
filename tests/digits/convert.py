#!/usr/bin/env python3
"""convert.py - writes digits.bin from scikit-learn's digits.csv.gz.

    pip download scikit-learn --no-deps
    python3 tests/digits/convert.py scikit_learn-*.whl tests/digits/digits.bin

65 bytes an image, in the order of the file: 64 grey values of 0 to 16, row by
row, and the digit.
"""
import gzip
import sys
import zipfile

PATH = "sklearn/datasets/data/digits.csv.gz"
COUNT, BYTES = 1797, 65


def main(wheel, out):
    with zipfile.ZipFile(wheel) as z:
        rows = gzip.decompress(z.read(PATH)).decode().split()
    data = bytes(int(v) for row in rows for v in row.split(","))
    if len(data) != COUNT * BYTES:
        raise SystemExit(f"{PATH}: {len(data)} numbers, not {COUNT * BYTES}")
    with open(out, "wb") as f:
        f.write(data)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
