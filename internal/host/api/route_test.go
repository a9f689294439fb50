package api

import (
	"fmt"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
)

func TestDocumentAndRoutesNameTheSameOperations(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromFile("../../../doc/host-api.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var documented, served []string
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			documented = append(documented, fmt.Sprint(method, " ", path, " ", op.Extensions["x-larder-roles"]))
		}
	}
	for _, r := range routes {
		served = append(served, fmt.Sprint(r.method, " ", r.path, " ", r.roles))
	}
	served = append(served, "PUT "+partPath+" []")
	slices.Sort(served)
	slices.Sort(documented)
	if diff := cmp.Diff(served, documented); diff != "" {
		t.Errorf("routes (-) and doc/host-api.yaml (+) differ:\n%s", diff)
	}
}
