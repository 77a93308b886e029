package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"slices"
)

// shrink writes a picture anew with 256 colours at most, which makes it a
// third as large: a page has few colours, and the edges of letters shades
// between them.
func shrink(picture []byte) ([]byte, error) {
	from, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, fmt.Errorf("read a picture: %w", err)
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, reduce(from)); err != nil {
		return nil, fmt.Errorf("write a picture: %w", err)
	}
	if out.Len() > len(picture) {
		return picture, nil
	}
	return out.Bytes(), nil
}

// reduce is from with the colours it uses most, and for all others the
// nearest of them.
func reduce(from image.Image) *image.Paletted {
	used := map[color.RGBA]int{}
	bounds := from.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			used[rgba(from.At(x, y))]++
		}
	}
	palette := choosePalette(used)
	place := map[color.RGBA]uint8{}
	for c := range used {
		place[c] = uint8(palette.Index(c))
	}
	to := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			to.SetColorIndex(x, y, place[rgba(from.At(x, y))])
		}
	}
	return to
}

func rgba(c color.Color) color.RGBA { return color.RGBAModel.Convert(c).(color.RGBA) }

// choosePalette takes the colours that are used most, but none that is hardly
// to be told from one it has, as long as there are others.
func choosePalette(used map[color.RGBA]int) color.Palette {
	const most, apart = 256, 12
	var list []color.RGBA
	for c := range used {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(used[b], used[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B), cmp.Compare(a.A, b.A))
	})
	var palette color.Palette
	for _, near := range []int{apart, 0} {
		for _, c := range list {
			if len(palette) == most {
				return palette
			}
			if !slices.ContainsFunc(palette, func(p color.Color) bool { return distance(p.(color.RGBA), c) <= near }) {
				palette = append(palette, c)
			}
		}
	}
	return palette
}

// distance is the sum of how far two colours lie apart in each part.
func distance(a, b color.RGBA) int {
	sum := 0
	for _, pair := range [][2]uint8{{a.R, b.R}, {a.G, b.G}, {a.B, b.B}, {a.A, b.A}} {
		sum += max(int(pair[0]), int(pair[1])) - min(int(pair[0]), int(pair[1]))
	}
	return sum
}
