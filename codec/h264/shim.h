// A thin layer over openh264: only plain numbers and pointers cross it, so that Go keeps no C structure.
#include <stddef.h>
#include <stdint.h>

typedef struct tutti_h264_encoder tutti_h264_encoder;
typedef struct tutti_h264_decoder tutti_h264_decoder;

// err is openh264's: 0 is success.
typedef struct {
	int err;
	int key;
	int size; // bytes of Annex B; 0: the encoder skipped the picture
} tutti_h264_frame;

typedef struct {
	int err; // bits of DECODING_STATE
	int width, height; // 0: no picture
	const uint8_t *y, *cb, *cr; // openh264's, until the next call
	int ystride, cstride;
} tutti_h264_picture;

// max_nal bounds a NAL unit in bytes; 0 is no bound. level is a level_idc.
tutti_h264_encoder *tutti_h264_encoder_new(int width, int height, int fps, int bps, int level, int max_nal, int *err);
tutti_h264_frame tutti_h264_encode(tutti_h264_encoder *e, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int ystride,
				   int cstride, int64_t milliseconds, int key);
// Copies the frame that was encoded last, size bytes.
void tutti_h264_take(tutti_h264_encoder *e, uint8_t *dst);
int tutti_h264_bitrate(tutti_h264_encoder *e, int bps);
void tutti_h264_encoder_free(tutti_h264_encoder *e);

tutti_h264_decoder *tutti_h264_decoder_new(int *err);
tutti_h264_picture tutti_h264_decode(tutti_h264_decoder *d, const uint8_t *data, int size);
void tutti_h264_decoder_free(tutti_h264_decoder *d);

void tutti_h264_copy(uint8_t *dst, int dst_stride, const uint8_t *src, int src_stride, int width, int height);
