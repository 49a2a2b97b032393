// A thin layer over libvpx: only plain numbers and pointers cross it, so that Go keeps no C structure.
#include <stddef.h>
#include <stdint.h>

typedef struct tutti_vpx_encoder tutti_vpx_encoder;
typedef struct tutti_vpx_decoder tutti_vpx_decoder;

// err is libvpx's vpx_codec_err_t everywhere; 0 is success.
typedef struct {
	int err;
	int key;
	size_t size;         // 0: the encoder skipped the picture
	const uint8_t *data; // libvpx's, until the next call
} tutti_vpx_frame;

typedef struct {
	int err;
	int width, height; // 0: no picture
	const uint8_t *y, *cb, *cr; // libvpx's, until the next call
	int ystride, cstride;
} tutti_vpx_picture;

tutti_vpx_encoder *tutti_vpx_encoder_new(int width, int height, int kbps, int cpu_used, int threads, int *err);
tutti_vpx_frame tutti_vpx_encode(tutti_vpx_encoder *e, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int ystride,
				 int cstride, int64_t pts, int64_t duration, int key);
int tutti_vpx_bitrate(tutti_vpx_encoder *e, int kbps);
void tutti_vpx_encoder_free(tutti_vpx_encoder *e);

tutti_vpx_decoder *tutti_vpx_decoder_new(int *err);
tutti_vpx_picture tutti_vpx_decode(tutti_vpx_decoder *d, const uint8_t *data, size_t size);
void tutti_vpx_decoder_free(tutti_vpx_decoder *d);

const char *tutti_vpx_reason(int err);
void tutti_vpx_copy(uint8_t *dst, int dst_stride, const uint8_t *src, int src_stride, int width, int height);
