package handler

import (
	"fmt"
	"os"
	"sync"

	"github.com/go-openapi/spec"
)

// pending are the specs that nobody has asked for yet.
var pending = struct {
	sync.Mutex
	specs map[*OpenAPIService]*spec.Swagger
}{specs: map[*OpenAPIService]*spec.Swagger{}}

// UpdateSpec keeps the spec until somebody asks for it. To put it into the forms that are served takes seconds of an API server's
// start, and of a few hundred in a run of the tests hardly any is asked.
func (o *OpenAPIService) UpdateSpec(latest *spec.Swagger) error {
	pending.Lock()
	defer pending.Unlock()
	pending.specs[o] = latest
	return nil
}

// rLockRendered puts a spec that waits into its forms, and locks them for reading.
func (o *OpenAPIService) rLockRendered() {
	pending.Lock()
	if latest := pending.specs[o]; latest != nil {
		delete(pending.specs, o)
		if err := o.render(latest); err != nil {
			fmt.Fprintln(os.Stderr, "the OpenAPI document cannot be made:", err)
		}
	}
	pending.Unlock()
	o.rwMutex.RLock()
}
