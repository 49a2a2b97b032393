#include "shim.h"

#include <libyuv.h>

int tutti_yuv_scale(const uint8_t *sy, int systride, const uint8_t *scb, const uint8_t *scr, int scstride, int sw, int sh,
		    uint8_t *dy, int dystride, uint8_t *dcb, uint8_t *dcr, int dcstride, int dw, int dh)
{
	// libyuv takes the box only where a side shrinks to less than half, and else is bilinear by itself.
	return I420Scale(sy, systride, scb, scstride, scr, scstride, sw, sh, dy, dystride, dcb, dcstride, dcr, dcstride, dw, dh,
			 kFilterBox);
}

int tutti_yuv_blend(const uint8_t *sy, int systride, const uint8_t *scb, const uint8_t *scr, int scstride,
		    const uint8_t *alpha, int astride, uint8_t *dy, int dystride, uint8_t *dcb, uint8_t *dcr, int dcstride,
		    int w, int h)
{
	return I420Blend(sy, systride, scb, scstride, scr, scstride, dy, dystride, dcb, dcstride, dcr, dcstride, alpha, astride,
			 dy, dystride, dcb, dcstride, dcr, dcstride, w, h);
}

int tutti_yuv_from_rgba(const uint8_t *rgba, int stride, uint8_t *y, int ystride, uint8_t *cb, uint8_t *cr, int cstride,
			int w, int h)
{
	// libyuv names formats by the word, so what Go calls RGBA by the byte is its ABGR.
	return ABGRToI420(rgba, stride, y, ystride, cb, cstride, cr, cstride, w, h);
}
