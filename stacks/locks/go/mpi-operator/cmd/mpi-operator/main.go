// Command mpi-operator runs upstream's controller of MPIJobs with fewer rights than upstream's own program: it makes the Secret
// with the keys of a job and reads none, and one replica that is replaced instead of doubled needs no lease.
package main

import (
	"context"
	"flag"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	kubescheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/kubeflow/mpi-operator/cmd/mpi-operator/app/options"
	jobclient "github.com/kubeflow/mpi-operator/pkg/client/clientset/versioned"
	jobscheme "github.com/kubeflow/mpi-operator/pkg/client/clientset/versioned/scheme"
	jobinformers "github.com/kubeflow/mpi-operator/pkg/client/informers/externalversions"
	"github.com/kubeflow/mpi-operator/pkg/controller"
)

// Nothing tells of a Secret that was deleted: every job that runs is looked at again after this time.
const resync = 5 * time.Minute

func main() {
	opt := options.NewServerOption()
	opt.AddFlags(flag.CommandLine)
	address := flag.String("address", ":8080", "where /healthz, /readyz and /metrics are served")
	klog.InitFlags(nil)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, opt, *address); err != nil {
		klog.Fatal(err)
	}
}

// run works until the context ends. Fails where the cluster cannot be asked.
func run(ctx context.Context, opt *options.ServerOption, address string) error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	config.QPS, config.Burst = float32(opt.QPS), opt.Burst
	jobs, err := jobclient.NewForConfig(config)
	if err != nil {
		return err
	}
	plain, err := kubernetes.NewForConfig(rest.AddUserAgent(config, "mpi-operator"))
	if err != nil {
		return err
	}
	if err := jobscheme.AddToScheme(kubescheme.Scheme); err != nil {
		return err
	}
	own := informers.NewSharedInformerFactory(plain, 0)
	theirs := jobinformers.NewSharedInformerFactory(jobs, resync)
	control, err := controller.NewMPIJobController(ctx, unreading(plain), jobs, nil, nil,
		own.Core().V1().ConfigMaps(), unwatchedSecrets{}, own.Core().V1().Services(), own.Batch().V1().Jobs(),
		own.Core().V1().Pods(), unwatchedPriorities{}, theirs.Kubeflow().V2beta1().MPIJobs(), opt)
	if err != nil {
		return err
	}
	own.Start(ctx.Done())
	theirs.Start(ctx.Done())
	ready := make(chan struct{})
	go serve(address, ready)
	go func() {
		own.WaitForCacheSync(ctx.Done())
		theirs.WaitForCacheSync(ctx.Done())
		close(ready)
	}()
	return control.Run(opt.Threadiness, ctx.Done())
}

// serve answers probes and whoever collects figures; it is ready once everything that is watched was read.
func serve(address string, ready <-chan struct{}) {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.Handler())
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/readyz", func(answer http.ResponseWriter, _ *http.Request) {
		select {
		case <-ready:
		default:
			http.Error(answer, "not everything was read yet", http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	klog.Fatal(server.ListenAndServe())
}
