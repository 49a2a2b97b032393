package canvas

import (
	"image"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// maxName bounds the characters of a name that are looked at.
const maxName = 96

// cleanName makes name fit for one line: what cannot be shown becomes a space, and spaces are single.
func cleanName(name string) string {
	if len(name) > maxName*utf8.UTFMax {
		name = name[:maxName*utf8.UTFMax]
	}
	var b strings.Builder
	n := 0
	for _, r := range strings.ToValidUTF8(name, "\uFFFD") {
		if n++; n > maxName {
			break
		}
		if !unicode.IsGraphic(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// has says whether the font can draw r.
func (a *Art) has(r rune) bool {
	var buf sfnt.Buffer
	i, err := a.font.GlyphIndex(&buf, r)
	return err == nil && i != 0
}

// ellipsis shortens text, a cleanName, until it is at most width pixels wide.
func ellipsis(f font.Face, text string, width int) string {
	limit := fixed.I(width)
	if font.MeasureString(f, text) <= limit {
		return text
	}
	runes := []rune(text)
	for n := len(runes) - 1; n > 0; n-- {
		short := strings.TrimRight(string(runes[:n]), " ") + "…"
		if font.MeasureString(f, short) <= limit {
			return short
		}
	}
	return ""
}

// fontFor is the size of the name in a tile of height h, pixels.
func fontFor(h int) int { return min(8+h/26, 24) }

// labelMargin is the distance of the name to the edge of a tile of height h, pixels.
func labelMargin(h int) int { return even(2 + min(h/40, 14)) }

// drawLabel draws the name in a box, behind the crossed microphone when muted.
func drawLabel(a *Art, k artKey) *sprite {
	px := fontFor(k.h)
	f, err := a.face(px)
	if err != nil {
		return nil
	}
	height := even(px*17/10 + 1)
	pad, icon := px*6/10, 0
	if k.muted {
		icon = height
	}
	room := k.w - 2*(labelMargin(k.h)+border(k.h)) - 2*pad - icon
	text := ellipsis(f, cleanName(k.text), room)
	tw := font.MeasureString(f, text).Ceil()
	width := icon
	if tw > 0 {
		width += tw + 2*pad
		if k.muted {
			width -= pad * 3 / 4
		}
	}
	if width == 0 {
		return nil
	}
	m := image.NewRGBA(image.Rect(0, 0, even(width+1), height))
	s := newShape(m.Rect.Dx(), height)
	s.rounded(0, 0, float32(m.Rect.Dx()), float32(height), float32(height)*0.32, false)
	s.paint(m, boxGround)
	if k.muted {
		d := float32(height)
		s.circle(d/2, d/2, d*0.36)
		s.paint(m, mutedRed)
		crossedMicrophone(m, d*0.24, d*0.24, d*0.52, white, mutedRed)
	}
	x := pad
	if k.muted {
		x = icon + pad/2 - pad/4
	}
	drawText(m, f, text, fixed.I(x), baseline(f, height), white)
	return newSprite(m)
}

// baseline centres capital letters in a line of the given height.
func baseline(f font.Face, height int) fixed.Int26_6 {
	return (fixed.I(height) + f.Metrics().CapHeight) / 2
}

func drawText(dst *image.RGBA, f font.Face, text string, x, y fixed.Int26_6, c uint32) {
	d := font.Drawer{Dst: dst, Src: image.NewUniform(rgba(c)), Face: f, Dot: fixed.Point26_6{X: x, Y: y}}
	d.DrawString(text)
}

// initials are the first letters of the first and the last word that the font can draw; "" when there are none.
func (a *Art) initials(name string) string {
	var letters []rune
	for _, word := range strings.Fields(name) {
		for _, r := range word {
			if (unicode.IsLetter(r) || unicode.IsDigit(r)) && a.has(unicode.ToUpper(r)) {
				letters = append(letters, unicode.ToUpper(r))
				break
			}
		}
	}
	switch len(letters) {
	case 0:
		return ""
	case 1:
		return string(letters)
	}
	return string([]rune{letters[0], letters[len(letters)-1]})
}

// drawDisc draws initials, or a figure where there are none, in a disc whose colour follows from the name.
func drawDisc(a *Art, k artKey) *sprite {
	name := cleanName(k.text)
	d := even(k.h * 46 / 100)
	m := image.NewRGBA(image.Rect(0, 0, d, d))
	s, r := newShape(d, d), float32(d)/2
	s.circle(r, r, r)
	s.paint(m, discColour(name))
	text := a.initials(name)
	if text == "" {
		person(m, r, r, r, white)
		return newSprite(m)
	}
	if f, err := a.face(max(d*42/100, 6)); err == nil {
		drawText(m, f, text, (fixed.I(d)-font.MeasureString(f, text))/2, baseline(f, d), white)
	}
	return newSprite(m)
}

// drawMore draws "+n".
func drawMore(a *Art, k artKey) *sprite {
	f, err := a.face(min(max(k.h/4, 8), 96))
	if err != nil {
		return nil
	}
	text := "+" + strconv.Itoa(k.w)
	w, h := even(font.MeasureString(f, text).Ceil()+2), even(f.Metrics().Height.Ceil()+2)
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	drawText(m, f, text, 0, baseline(f, h), moreGrey)
	return newSprite(m)
}

func sqrt(v float32) float32 { return float32(math.Sqrt(float64(v))) }
