#include "shim.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <wels/codec_api.h>

struct tutti_h264_encoder {
	ISVCEncoder *codec;
	int width, height;
	SFrameBSInfo info; // of the last picture
};

struct tutti_h264_decoder {
	ISVCDecoder *codec;
};

static void configure(SEncParamExt *p, int width, int height, int fps, int bps, int level, int max_nal)
{
	SSpatialLayerConfig *layer = &p->sSpatialLayers[0];

	p->iUsageType = CAMERA_VIDEO_REAL_TIME;
	p->iPicWidth = width;
	p->iPicHeight = height;
	p->iTargetBitrate = bps;
	p->iMaxBitrate = UNSPECIFIED_BIT_RATE;
	p->iRCMode = RC_BITRATE_MODE;
	p->fMaxFrameRate = fps;
	p->iTemporalLayerNum = 1;
	p->iSpatialLayerNum = 1;
	p->iComplexityMode = LOW_COMPLEXITY;
	p->uiIntraPeriod = 0; // the caller knows when a key frame is needed
	p->iNumRefFrame = 1;
	p->eSpsPpsIdStrategy = CONSTANT_ID; // the same sets with each IDR
	p->bPrefixNalAddingCtrl = false;
	p->iEntropyCodingModeFlag = 0; // CAVLC, as the baseline has it
	p->bEnableFrameSkip = true;
	p->bEnableLongTermReference = false;
	p->iMultipleThreadIdc = 1;
	p->bEnableDenoise = false;
	p->bEnableBackgroundDetection = true;
	p->bEnableAdaptiveQuant = false;
	p->bEnableSceneChangeDetect = false; // would make key frames of its own
	p->bEnableFrameCroppingFlag = true;
	p->uiMaxNalSize = max_nal;

	layer->iVideoWidth = width;
	layer->iVideoHeight = height;
	layer->fFrameRate = fps;
	layer->iSpatialBitrate = bps;
	layer->iMaxSpatialBitrate = UNSPECIFIED_BIT_RATE;
	layer->uiProfileIdc = PRO_BASELINE;
	layer->uiLevelIdc = level;
	layer->sSliceArgument.uiSliceMode = max_nal ? SM_SIZELIMITED_SLICE : SM_SINGLE_SLICE;
	layer->sSliceArgument.uiSliceNum = 1;
	layer->sSliceArgument.uiSliceSizeConstraint = max_nal;
}

tutti_h264_encoder *tutti_h264_encoder_new(int width, int height, int fps, int bps, int level, int max_nal, int *err)
{
	SEncParamExt p;
	int quiet = WELS_LOG_QUIET, format = videoFormatI420;
	tutti_h264_encoder *e = calloc(1, sizeof *e);

	if (!e || (*err = WelsCreateSVCEncoder(&e->codec)) || !e->codec) {
		free(e);
		*err = *err ? *err : cmMallocMemeError;
		return NULL;
	}
	e->width = width;
	e->height = height;
	(*e->codec)->SetOption(e->codec, ENCODER_OPTION_TRACE_LEVEL, &quiet);
	*err = (*e->codec)->GetDefaultParams(e->codec, &p);
	if (!*err) {
		configure(&p, width, height, fps, bps, level, max_nal);
		*err = (*e->codec)->InitializeExt(e->codec, &p);
	}
	if (!*err)
		*err = (*e->codec)->SetOption(e->codec, ENCODER_OPTION_DATAFORMAT, &format);
	if (*err) {
		tutti_h264_encoder_free(e);
		return NULL;
	}
	return e;
}

static int layer_size(const SLayerBSInfo *layer)
{
	int size = 0;
	for (int i = 0; i < layer->iNalCount; i++)
		size += layer->pNalLengthInByte[i];
	return size;
}

tutti_h264_frame tutti_h264_encode(tutti_h264_encoder *e, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int ystride,
				   int cstride, int64_t milliseconds, int key)
{
	tutti_h264_frame out = {0};
	SSourcePicture in;

	memset(&in, 0, sizeof in);
	in.iColorFormat = videoFormatI420;
	in.iPicWidth = e->width;
	in.iPicHeight = e->height;
	in.iStride[0] = ystride;
	in.iStride[1] = in.iStride[2] = cstride;
	in.pData[0] = (unsigned char *)y;
	in.pData[1] = (unsigned char *)cb;
	in.pData[2] = (unsigned char *)cr;
	in.uiTimeStamp = milliseconds;
	if (key && (out.err = (*e->codec)->ForceIntraFrame(e->codec, true)))
		return out;
	memset(&e->info, 0, sizeof e->info);
	if ((out.err = (*e->codec)->EncodeFrame(e->codec, &in, &e->info)))
		return out;
	if (e->info.eFrameType == videoFrameTypeSkip || e->info.eFrameType == videoFrameTypeInvalid)
		return out;
	out.key = e->info.eFrameType == videoFrameTypeIDR;
	for (int i = 0; i < e->info.iLayerNum; i++)
		out.size += layer_size(&e->info.sLayerInfo[i]);
	return out;
}

void tutti_h264_take(tutti_h264_encoder *e, uint8_t *dst)
{
	for (int i = 0; i < e->info.iLayerNum; i++) {
		const SLayerBSInfo *layer = &e->info.sLayerInfo[i];
		int size = layer_size(layer);
		memcpy(dst, layer->pBsBuf, size);
		dst += size;
	}
}

int tutti_h264_bitrate(tutti_h264_encoder *e, int bps)
{
	SBitrateInfo rate = {.iLayer = SPATIAL_LAYER_ALL, .iBitrate = bps};
	return (*e->codec)->SetOption(e->codec, ENCODER_OPTION_BITRATE, &rate);
}

void tutti_h264_encoder_free(tutti_h264_encoder *e)
{
	(*e->codec)->Uninitialize(e->codec);
	WelsDestroySVCEncoder(e->codec);
	free(e);
}

tutti_h264_decoder *tutti_h264_decoder_new(int *err)
{
	SDecodingParam p;
	int quiet = WELS_LOG_QUIET;
	tutti_h264_decoder *d = calloc(1, sizeof *d);

	if (!d || (*err = WelsCreateDecoder(&d->codec)) || !d->codec) {
		free(d);
		*err = *err ? *err : cmMallocMemeError;
		return NULL;
	}
	memset(&p, 0, sizeof p);
	p.eEcActiveIdc = ERROR_CON_DISABLE; // a broken picture is not shown
	p.sVideoProperty.size = sizeof p.sVideoProperty;
	p.sVideoProperty.eVideoBsType = VIDEO_BITSTREAM_AVC;
	(*d->codec)->SetOption(d->codec, DECODER_OPTION_TRACE_LEVEL, &quiet);
	*err = (*d->codec)->Initialize(d->codec, &p);
	if (*err) {
		tutti_h264_decoder_free(d);
		return NULL;
	}
	return d;
}

tutti_h264_picture tutti_h264_decode(tutti_h264_decoder *d, const uint8_t *data, int size)
{
	tutti_h264_picture out = {0};
	unsigned char *planes[3] = {0};
	SBufferInfo info;

	memset(&info, 0, sizeof info);
	out.err = (*d->codec)->DecodeFrameNoDelay(d->codec, data, size, planes, &info);
	// Above the baseline, openh264 holds pictures back to reorder them. Nobody in a call reorders: it would cost delay.
	if (!out.err && info.iBufferStatus != 1)
		(*d->codec)->FlushFrame(d->codec, planes, &info);
	if (info.iBufferStatus != 1 || !planes[0] || !planes[1] || !planes[2])
		return out;
	out.width = info.UsrData.sSystemBuffer.iWidth;
	out.height = info.UsrData.sSystemBuffer.iHeight;
	out.ystride = info.UsrData.sSystemBuffer.iStride[0];
	out.cstride = info.UsrData.sSystemBuffer.iStride[1];
	out.y = planes[0];
	out.cb = planes[1];
	out.cr = planes[2];
	return out;
}

void tutti_h264_decoder_free(tutti_h264_decoder *d)
{
	(*d->codec)->Uninitialize(d->codec);
	WelsDestroyDecoder(d->codec);
	free(d);
}

void tutti_h264_copy(uint8_t *dst, int dst_stride, const uint8_t *src, int src_stride, int width, int height)
{
	for (; height > 0; height--, dst += dst_stride, src += src_stride)
		memcpy(dst, src, width);
}
