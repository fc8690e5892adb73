package diskimage

import (
	"os"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
)

// Inspect reports on the image in a file.
func Inspect(path string) (*Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return Detect(f, info.Size())
}

// Accept inspects the image in a file that guests are to run from. It refuses
// one that is not what its owner claims, that is not safe to open, and that no
// guest can use. The report's format is what a tool must be told: a partition
// table does not make raw data anything else.
func Accept(path, claimed string) (*Report, error) {
	rep, err := Inspect(path)
	if err != nil {
		return nil, err
	}
	if len(rep.Unsafe) > 0 {
		return nil, errs.New(errs.Invalid, "The image is refused: it is %s, and %s.", rep.Format, strings.Join(rep.Unsafe, "; "))
	}
	plain := rep.Format == "raw" || rep.Format == "gpt"
	switch {
	case plain && slices.Contains([]string{"raw", "gpt", "ami", "ari", "aki"}, claimed):
		rep.Format = "raw"
	case claimed == "raw" && rep.Format == "iso": // what boots from a disk and from a CD
		rep.Format = "raw"
	case claimed != rep.Format:
		return nil, errs.New(errs.Invalid, "The image claims to be %s, but its content is %s.", claimed, rep.Format)
	}
	if rep.Format != "iso" && toolNames[rep.Format] == "" {
		return nil, errs.New(errs.Invalid, "Images in the format %s cannot be run.", rep.Format)
	}
	if rep.VirtualSize <= 0 {
		return nil, errs.New(errs.Invalid, "The image is refused: its disk has no size.")
	}
	return rep, nil
}
