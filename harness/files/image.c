/*
 * image.c - JPEG by libjpeg, PNG by libpng.
 *
 * Both libraries report an error through a function that must not return, so
 * each of them is left by longjmp, in one place.
 */
#include "harness/files/image.h"

#include <limits.h>
#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "harness/files/file.h"
#include "kernels/core/err.h"
#include "results/folder.h"
#include "results/outfile.h"

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#ifdef LIBJPEG_TURBO_VERSION
#define JPEG_LIBRARY "libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION)
#else
#define JPEG_LIBRARY "libjpeg " TEXT(JPEG_LIB_VERSION)
#endif

int image_new(Image *out, int width, int height)
{
    *out = (Image){ width, height, NULL };
    BUG_IF(width < 1 || height < 1);
    if ((long long)width * height > IMAGE_MAX_PIXELS)
        return fail(ERR_INPUT, "%d x %d pixels; at most %d million can be read",
                    width, height, IMAGE_MAX_PIXELS / 1000000);
    out->rgb = malloc((size_t)width * (size_t)height * 3);
    if (!out->rgb)
        return fail(ERR_MEMORY, "no memory for %d x %d pixels", width, height);
    return OK;
}

void image_free(Image *image)
{
    free(image->rgb);
    *image = (Image){ 0 };
}

unsigned char *image_at(const Image *image, int x, int y)
{
    return image->rgb + 3 * ((size_t)y * (size_t)image->width + (size_t)x);
}

/* ---- JPEG ---------------------------------------------------------------- */

typedef struct JpegErrors {
    struct jpeg_error_mgr mgr; /* first: libjpeg knows no more than this */
    jmp_buf stop;
    char text[JMSG_LENGTH_MAX];
} JpegErrors;

static void jpeg_stop(j_common_ptr info)
{
    JpegErrors *errors = (JpegErrors *)info->err;

    info->err->format_message(info, errors->text);
    longjmp(errors->stop, 1);
}

/* Warnings of missing pixels, which libjpeg makes up in grey.  All others are
 * of headers that cameras write wrongly, and of bytes too many. */
static const int jpeg_losses[] = {
    JWRN_HIT_MARKER,     JWRN_JPEG_EOF,    JWRN_HUFF_BAD_CODE,
    JWRN_ARITH_BAD_CODE, JWRN_MUST_RESYNC, JWRN_BOGUS_PROGRESSION,
};

static void jpeg_warn(j_common_ptr info, int level)
{
    for (size_t i = 0; i < sizeof(jpeg_losses) / sizeof(*jpeg_losses); i++)
        if (level < 0 && info->err->msg_code == jpeg_losses[i])
            jpeg_stop(info);
}

/* a b / 255, rounded. */
static unsigned char product(int a, int b)
{
    return (unsigned char)((2 * a * b + 255) / 510);
}

/* Four inverted inks as three colours. */
static void read_cmyk(struct jpeg_decompress_struct *info, unsigned char *rgb,
                      unsigned char *row)
{
    jpeg_read_scanlines(info, &row, 1);
    for (unsigned x = 0; x < info->output_width; x++)
        for (int c = 0; c < 3; c++)
            rgb[3 * x + (unsigned)c] =
                product(row[4 * x + (unsigned)c], row[4 * x + 3]);
}

/* Leaves through jpeg_stop, too. */
static int decode_jpeg(struct jpeg_decompress_struct *info, FILE *f, Image *out)
{
    bool cmyk;
    JSAMPARRAY row = NULL;

    jpeg_create_decompress(info);
    jpeg_stdio_src(info, f);
    jpeg_read_header(info, TRUE);
    cmyk = info->jpeg_color_space == JCS_CMYK ||
           info->jpeg_color_space == JCS_YCCK;
    info->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    TRY(image_new(out, (int)info->image_width, (int)info->image_height));
    jpeg_start_decompress(info);
    if (cmyk)
        row = info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE,
                                      info->output_width * 4, 1);
    while (info->output_scanline < info->output_height) {
        unsigned char *rgb = image_at(out, 0, (int)info->output_scanline);

        if (cmyk)
            read_cmyk(info, rgb, row[0]);
        else
            jpeg_read_scanlines(info, &rgb, 1);
    }
    jpeg_finish_decompress(info);
    return OK;
}

static int read_jpeg(Image *out, FILE *f)
{
    struct jpeg_decompress_struct info = { 0 };
    JpegErrors errors;
    int err;

    info.err = jpeg_std_error(&errors.mgr);
    errors.mgr.error_exit = jpeg_stop;
    errors.mgr.emit_message = jpeg_warn;
    err = setjmp(errors.stop)
              ? fail(ERR_INPUT, "a damaged JPEG: %s", errors.text)
              : decode_jpeg(&info, f, out);
    jpeg_destroy_decompress(&info);
    return err;
}

/* ---- PNG ----------------------------------------------------------------- */

typedef struct PngErrors {
    jmp_buf stop;
    bool all_rows; /* are there: only the end of the file is not read */
    char text[160];
} PngErrors;

enum { PNG_BROKEN = 1, PNG_ENOUGH };

/* After the rows, only their own checksum says anything of the picture. */
static void png_stop(png_structp png, png_const_charp text)
{
    PngErrors *errors = png_get_error_ptr(png);
    const bool harmless = errors->all_rows && strncmp(text, "IDAT", 4) != 0;

    snprintf(errors->text, sizeof(errors->text), "%s", text);
    longjmp(errors->stop, harmless ? PNG_ENOUGH : PNG_BROKEN);
}

/* Ignores warnings about colour profiles and texts, which are not used. */
static void png_warn(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

/* Leaves through png_stop, too. */
static int decode_png(png_structp png, png_infop info, FILE *f, Image *out)
{
    int passes;

    png_set_user_limits(png, INT_MAX, INT_MAX); /* image_new has one */
    png_init_io(png, f);
    png_read_info(png, info);
    TRY(image_new(out, (int)png_get_image_width(png, info),
                  (int)png_get_image_height(png, info)));
    png_set_strip_16(png);
    png_set_palette_to_rgb(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    BUG_IF(png_get_rowbytes(png, info) != 3 * (size_t)out->width);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < out->height; y++)
            png_read_row(png, image_at(out, 0, y), NULL);
    ((PngErrors *)png_get_error_ptr(png))->all_rows = true;
    png_read_end(png, NULL);
    return OK;
}

static int read_png(Image *out, FILE *f)
{
    PngErrors errors = { .all_rows = false };
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors,
                                             png_stop, png_warn);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    int err;

    if (!info) {
        err = fail(ERR_MEMORY, "no memory for libpng");
    } else {
        switch (setjmp(errors.stop)) {
        case 0:
            err = decode_png(png, info, f, out);
            break;
        case PNG_ENOUGH:
            err = OK;
            break;
        default:
            err = fail(ERR_INPUT, "a damaged PNG: %s", errors.text);
        }
    }
    png_destroy_read_struct(&png, &info, NULL);
    return err;
}

int image_write_png(const Image *image, const char *path)
{
    png_image png = { .version = PNG_IMAGE_VERSION,
                      .width = (png_uint_32)image->width,
                      .height = (png_uint_32)image->height,
                      .format = PNG_FORMAT_RGB };

    Outfile out;
    int err = OK;

    TRY(folder_make_for(path));
    TRY(outfile_open(&out, path));
    if (!png_image_write_to_stdio(&png, out.file, 0, image->rgb, 0, NULL))
        err = fail(ERR_IO, "%s: %s", path, png.message);
    return outfile_close(&out, err);
}

char *image_libraries(char text[IMAGE_LIBRARIES])
{
    snprintf(text, IMAGE_LIBRARIES, "%s, libpng %s", JPEG_LIBRARY,
             png_get_libpng_ver(NULL));
    return text;
}

/* ---- either -------------------------------------------------------------- */

static int refuse(const unsigned char *first, size_t n)
{
    char bytes[3 * 4 + 1] = "";

    if (n == 0)
        return fail(ERR_INPUT, "empty, and neither JPEG nor PNG");
    for (size_t i = 0; i < n && i < 4; i++)
        sprintf(bytes + 3 * i, " %02X", first[i]);
    return fail(ERR_INPUT, "neither JPEG nor PNG: it begins with%s", bytes);
}

static int read_any(Image *out, FILE *f)
{
    unsigned char first[8];
    const size_t n = fread(first, 1, sizeof(first), f);

    if (ferror(f))
        return fail(ERR_IO, "%m");
    rewind(f);
    if (n >= 3 && memcmp(first, "\xFF\xD8\xFF", 3) == 0)
        return read_jpeg(out, f);
    if (n == 8 && png_sig_cmp(first, 0, 8) == 0)
        return read_png(out, f);
    return refuse(first, n);
}

int image_read(Image *out, const char *path)
{
    FILE *f;
    int err = file_open(&f, NULL, path);

    *out = (Image){ 0 };
    if (!err)
        err = read_any(out, f);
    if (f)
        fclose(f);
    if (err)
        image_free(out);
    return err ? fail_within(err, "%s", path) : OK;
}
