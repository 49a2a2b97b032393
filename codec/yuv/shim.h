// What of libyuv the package uses. Both chroma planes of a picture have one stride. 0 is success.
#include <stdint.h>

int tutti_yuv_scale(const uint8_t *sy, int systride, const uint8_t *scb, const uint8_t *scr, int scstride, int sw, int sh,
		    uint8_t *dy, int dystride, uint8_t *dcb, uint8_t *dcr, int dcstride, int dw, int dh);
int tutti_yuv_blend(const uint8_t *sy, int systride, const uint8_t *scb, const uint8_t *scr, int scstride,
		    const uint8_t *alpha, int astride, uint8_t *dy, int dystride, uint8_t *dcb, uint8_t *dcr, int dcstride,
		    int w, int h);
int tutti_yuv_from_rgba(const uint8_t *rgba, int stride, uint8_t *y, int ystride, uint8_t *cb, uint8_t *cr, int cstride,
			int w, int h);
