#include "shim.h"

#include <stdlib.h>
#include <string.h>

#include <vpx/vp8cx.h>
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>
#include <vpx/vpx_encoder.h>

struct tutti_vpx_encoder {
	vpx_codec_ctx_t ctx;
	vpx_codec_enc_cfg_t cfg;
};

struct tutti_vpx_decoder {
	vpx_codec_ctx_t ctx;
};

static void configure(vpx_codec_enc_cfg_t *cfg, int width, int height, int kbps, int threads)
{
	cfg->g_w = width;
	cfg->g_h = height;
	cfg->g_timebase.num = 1;
	cfg->g_timebase.den = 90000; // the RTP clock
	cfg->g_threads = threads;
	cfg->g_lag_in_frames = 0;
	cfg->g_pass = VPX_RC_ONE_PASS;
	cfg->g_error_resilient = 0; // losses are repaired by retransmission or a key frame
	cfg->rc_end_usage = VPX_CBR;
	cfg->rc_target_bitrate = kbps;
	cfg->rc_min_quantizer = 4;
	cfg->rc_max_quantizer = 58;
	cfg->rc_undershoot_pct = 100;
	cfg->rc_overshoot_pct = 15;
	cfg->rc_buf_sz = 1000; // ms
	cfg->rc_buf_initial_sz = 500;
	cfg->rc_buf_optimal_sz = 600;
	cfg->rc_dropframe_thresh = 30;
	cfg->rc_resize_allowed = 0;
	cfg->kf_mode = VPX_KF_DISABLED; // the caller knows when one is needed
}

static int control(tutti_vpx_encoder *e, int cpu_used, int threads)
{
	int err = vpx_codec_control(&e->ctx, VP8E_SET_CPUUSED, cpu_used);
	if (!err)
		err = vpx_codec_control(&e->ctx, VP8E_SET_STATIC_THRESHOLD, 1);
	if (!err)
		err = vpx_codec_control(&e->ctx, VP8E_SET_NOISE_SENSITIVITY, 0);
	if (!err)
		err = vpx_codec_control(&e->ctx, VP8E_SET_MAX_INTRA_BITRATE_PCT, 300); // of a frame's share
	if (!err && threads > 1)
		err = vpx_codec_control(&e->ctx, VP8E_SET_TOKEN_PARTITIONS, VP8_TWO_TOKENPARTITION);
	return err;
}

tutti_vpx_encoder *tutti_vpx_encoder_new(int width, int height, int kbps, int cpu_used, int threads, int *err)
{
	tutti_vpx_encoder *e = calloc(1, sizeof *e);
	if (!e) {
		*err = VPX_CODEC_MEM_ERROR;
		return NULL;
	}
	*err = vpx_codec_enc_config_default(vpx_codec_vp8_cx(), &e->cfg, 0);
	if (!*err) {
		configure(&e->cfg, width, height, kbps, threads);
		*err = vpx_codec_enc_init(&e->ctx, vpx_codec_vp8_cx(), &e->cfg, 0);
	}
	if (*err) {
		free(e);
		return NULL;
	}
	*err = control(e, cpu_used, threads);
	if (*err) {
		tutti_vpx_encoder_free(e);
		return NULL;
	}
	return e;
}

tutti_vpx_frame tutti_vpx_encode(tutti_vpx_encoder *e, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int ystride,
				 int cstride, int64_t pts, int64_t duration, int key)
{
	tutti_vpx_frame out = {0};
	vpx_image_t img;
	vpx_codec_iter_t iter = NULL;
	const vpx_codec_cx_pkt_t *pkt;

	vpx_img_wrap(&img, VPX_IMG_FMT_I420, e->cfg.g_w, e->cfg.g_h, 1, (unsigned char *)y);
	img.planes[VPX_PLANE_Y] = (unsigned char *)y;
	img.planes[VPX_PLANE_U] = (unsigned char *)cb;
	img.planes[VPX_PLANE_V] = (unsigned char *)cr;
	img.stride[VPX_PLANE_Y] = ystride;
	img.stride[VPX_PLANE_U] = cstride;
	img.stride[VPX_PLANE_V] = cstride;
	out.err = vpx_codec_encode(&e->ctx, &img, pts, duration, key ? VPX_EFLAG_FORCE_KF : 0, VPX_DL_REALTIME);
	if (out.err)
		return out;
	while ((pkt = vpx_codec_get_cx_data(&e->ctx, &iter))) {
		if (pkt->kind != VPX_CODEC_CX_FRAME_PKT)
			continue;
		out.data = pkt->data.frame.buf; // VP8 without lag gives one packet for a picture
		out.size = pkt->data.frame.sz;
		out.key = (pkt->data.frame.flags & VPX_FRAME_IS_KEY) != 0;
	}
	return out;
}

int tutti_vpx_bitrate(tutti_vpx_encoder *e, int kbps)
{
	e->cfg.rc_target_bitrate = kbps;
	return vpx_codec_enc_config_set(&e->ctx, &e->cfg);
}

void tutti_vpx_encoder_free(tutti_vpx_encoder *e)
{
	vpx_codec_destroy(&e->ctx);
	free(e);
}

tutti_vpx_decoder *tutti_vpx_decoder_new(int *err)
{
	vpx_codec_dec_cfg_t cfg = {.threads = 1};
	tutti_vpx_decoder *d = calloc(1, sizeof *d);
	if (!d) {
		*err = VPX_CODEC_MEM_ERROR;
		return NULL;
	}
	*err = vpx_codec_dec_init(&d->ctx, vpx_codec_vp8_dx(), &cfg, 0);
	if (*err) {
		free(d);
		return NULL;
	}
	return d;
}

tutti_vpx_picture tutti_vpx_decode(tutti_vpx_decoder *d, const uint8_t *data, size_t size)
{
	tutti_vpx_picture out = {0};
	vpx_codec_iter_t iter = NULL;
	vpx_image_t *img, *last = NULL;

	out.err = vpx_codec_decode(&d->ctx, data, size, NULL, 0);
	if (out.err)
		return out;
	while ((img = vpx_codec_get_frame(&d->ctx, &iter)))
		last = img;
	if (!last || last->fmt != VPX_IMG_FMT_I420)
		return out;
	out.width = last->d_w;
	out.height = last->d_h;
	out.y = last->planes[VPX_PLANE_Y];
	out.cb = last->planes[VPX_PLANE_U];
	out.cr = last->planes[VPX_PLANE_V];
	out.ystride = last->stride[VPX_PLANE_Y];
	out.cstride = last->stride[VPX_PLANE_U];
	return out;
}

void tutti_vpx_decoder_free(tutti_vpx_decoder *d)
{
	vpx_codec_destroy(&d->ctx);
	free(d);
}

void tutti_vpx_copy(uint8_t *dst, int dst_stride, const uint8_t *src, int src_stride, int width, int height)
{
	for (; height > 0; height--, dst += dst_stride, src += src_stride)
		memcpy(dst, src, width);
}

const char *tutti_vpx_reason(int err)
{
	return vpx_codec_err_to_string(err);
}
