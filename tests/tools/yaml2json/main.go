// Reads a JSON list of texts on stdin and writes tests/fixtures/go-yaml.json: what sigs.k8s.io/yaml, by which etcd and the
// kubelet read their files, makes of each.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	var texts []string
	if err := json.NewDecoder(os.Stdin).Decode(&texts); err != nil {
		panic(err)
	}
	for at, text := range texts {
		answer := map[string]any{"yaml": text}
		if read, err := yaml.YAMLToJSON([]byte(text)); err != nil {
			answer["error"] = err.Error()
		} else {
			answer["json"] = json.RawMessage(read)
		}
		line, err := json.Marshal(answer)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s%s", map[bool]string{true: "[\n", false: ",\n"}[at == 0], line)
	}
	fmt.Println("\n]")
}
