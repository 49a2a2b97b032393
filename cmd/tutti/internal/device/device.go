// Package device opens the cameras and microphones of this machine through mediadevices' drivers, and two that every machine
// has: "videotest", a test picture, and "phrase", a spoken sentence.
//
// This is the only package that imports the drivers: they register themselves for the whole process.
package device

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pion/mediadevices/pkg/driver"
	_ "github.com/pion/mediadevices/pkg/driver/camera"    // registers the cameras
	_ "github.com/pion/mediadevices/pkg/driver/videotest" // registers the test picture
)

// The devices that every machine has.
const (
	VideoTest = "videotest"
	Phrase    = "phrase"
)

// nullDevice is how miniaudio calls the microphone of a machine without sound hardware: it is none.
const nullDevice = "Discard all samples"

// Info names one device.
type Info struct {
	Kind string // camera or microphone
	Name string // what a person asks for
}

// List is all devices of this machine.
func List() []Info {
	_ = registered() // no sound hardware, no microphones
	var out []Info
	for _, d := range devices(driver.Camera) {
		out = append(out, Info{"camera", name(d)})
	}
	for _, d := range devices(driver.Microphone) {
		out = append(out, Info{"microphone", name(d)})
	}
	return append(out, Info{"microphone", Phrase})
}

func devices(kind driver.DeviceType) []driver.Driver {
	found := driver.GetManager().Query(func(d driver.Driver) bool {
		return d.Info().DeviceType == kind && d.Info().Name != phraseName && !strings.HasPrefix(d.Info().Name, nullDevice)
	})
	slices.SortFunc(found, func(a, b driver.Driver) int { // the system's default first
		return cmp.Or(cmp.Compare(b.Info().Priority, a.Info().Priority), cmp.Compare(name(a), name(b)))
	})
	return found
}

// name is how a person would call a device.
func name(d driver.Driver) string {
	label, _, _ := strings.Cut(d.Info().Label, ";") // cameras have their paths behind it
	if label == "VideoTest" {
		return VideoTest
	}
	return cmp.Or(d.Info().Name, label)
}

// find is the device of a kind that a person asked for; "default" is the system's choice.
func find(kind driver.DeviceType, wanted string) (driver.Driver, error) {
	if kind == driver.Microphone { // these are looked for when somebody asks
		if err := registered(); err != nil {
			return nil, fmt.Errorf("no microphone %q: looked for ALSA, PulseAudio and JACK: %w", wanted, err)
		}
	}
	all := devices(kind)
	var names []string
	for _, d := range all {
		names = append(names, name(d))
		if strings.EqualFold(name(d), wanted) || d.Info().Label == wanted || (wanted == "default" && name(d) != VideoTest) {
			return d, nil
		}
	}
	if kind == driver.Microphone {
		return nil, fmt.Errorf("no microphone %q: looked for ALSA, PulseAudio and JACK devices, found: %s", wanted, list(append(names, Phrase)))
	}
	return nil, fmt.Errorf("no camera %q: looked for V4L2 devices under /dev/video*, found: %s", wanted, list(names))
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
