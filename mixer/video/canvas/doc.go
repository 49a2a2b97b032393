// Package canvas composes a scene: the newest pictures of its sources in tiles, with names, marks and borders.
//
// It is a pure step without a clock, a socket or a goroutine: Canvas.Step says what the picture is to be at a given
// time, Canvas.Draw makes a Sheet show it. A tile that did not change since it was drawn on a sheet is left alone, a
// source is scaled once for each size, and text is rasterised once (Art), so a still scene costs nearly nothing.
//
// All pictures are 4:2:0 with studio range and the BT.601 matrix, as VP8 and H.264 without colour description mean
// them. Every edge lies on an even pixel, so that a chroma sample belongs to one tile.
//
// A Canvas, an Art and a Picture belong to one goroutine, the same one; a Sheet may be read by others between draws.
package canvas
