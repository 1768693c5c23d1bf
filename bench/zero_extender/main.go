// A scheduler extender that knows nothing: every node passes the filter and gets the score 0.
//
// It is the yardstick of the benches: what an extender costs that is written in Go with encoding/json, as most are,
// before it decides anything. It listens on a free port of 127.0.0.1, says which on standard output, and ends when
// standard input does.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	log.Fatal(http.Serve(listener, handler()))
}

func handler() http.Handler {
	verbs := http.NewServeMux()
	verbs.HandleFunc("POST /filter", answer(func(args *Args) any { return filter(args) }))
	verbs.HandleFunc("POST /prioritize", answer(func(args *Args) any { return prioritize(args) }))
	return verbs
}

// answer decodes a request, decides, and encodes the reply, each as a whole.
func answer(decide func(*Args) any) http.HandlerFunc {
	return func(writer http.ResponseWriter, request *http.Request) {
		var args Args
		if err := json.NewDecoder(request.Body).Decode(&args); err != nil {
			http.Error(writer, err.Error(), http.StatusBadRequest)
			return
		}
		reply, err := json.Marshal(decide(&args))
		if err != nil {
			http.Error(writer, err.Error(), http.StatusInternalServerError)
			return
		}
		writer.Header().Set("Content-Type", "application/json")
		writer.Header().Set("Content-Length", strconv.Itoa(len(reply)))
		_, _ = writer.Write(reply)
	}
}

func filter(args *Args) FilterResult {
	none := map[string]string{}
	return FilterResult{Nodes: args.Nodes, NodeNames: args.NodeNames, FailedNodes: none, FailedAndUnresolvableNodes: none}
}

func prioritize(args *Args) []HostPriority {
	priorities := []HostPriority{}
	if args.NodeNames != nil {
		for _, name := range *args.NodeNames {
			priorities = append(priorities, HostPriority{Host: name})
		}
	} else if args.Nodes != nil {
		for i := range args.Nodes.Items {
			priorities = append(priorities, HostPriority{Host: args.Nodes.Items[i].Metadata.Name})
		}
	}
	return priorities
}
