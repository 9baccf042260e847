// Command etcd is the etcd server under its usual name (upstream's main package is called "server").
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
