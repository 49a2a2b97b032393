package device

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/pion/mediadevices/pkg/driver"
)

// ErrBusy says that somebody else, here or in another process, has the device.
var ErrBusy = errors.New("the device is busy")

// drivers guards the state of mediadevices' drivers, which are one for the process and do not guard it themselves.
var drivers sync.Mutex //nolint:gochecknoglobals // the drivers are global, too

// open opens a driver; the caller holds drivers.
func open(d driver.Driver) error {
	if d.Status() != driver.StateClosed {
		return fmt.Errorf("%w: it is in use here already", ErrBusy)
	}
	return busy(d.Open())
}

// busy names the error of a device that another process has.
func busy(err error) error {
	if errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("%w: another program uses it", ErrBusy)
	}
	return err
}

// shut closes a driver. What a device says at its end helps nobody.
func shut(d driver.Driver) {
	drivers.Lock()
	defer drivers.Unlock()
	_ = d.Close()
}
