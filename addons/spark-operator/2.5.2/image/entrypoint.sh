#!/bin/bash
# Starts in a pod what Spark says in its arguments: `driver ARGUMENT...` or `executor`; anything else is run as it is.
set -eu

home=${SPARK_HOME:-/opt/spark}

# Spark writes files beside itself; where the root is read-only it does so in its own scratch directory
if ! [ -w . ]; then
    cd "${SPARK_LOCAL_DIRS:-/tmp}" 2>/dev/null || cd "${SPARK_LOCAL_DIRS%%,*}"
fi

case "${1:-}" in
driver)
    shift
    exec "$home/bin/spark-submit" \
        --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
        --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS" \
        --deploy-mode client "$@"
    ;;
executor)
    options=()
    number=0
    while name=SPARK_JAVA_OPT_$number && [ -n "${!name+set}" ]; do
        options+=("${!name}")
        number=$((number + 1))
    done
    exec java "${options[@]}" "-Xmx$SPARK_EXECUTOR_MEMORY" \
        -cp "${SPARK_CONF_DIR:-$home/conf}:${SPARK_CLASSPATH:+$SPARK_CLASSPATH:}$home/jars/*" \
        org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
        --driver-url "$SPARK_DRIVER_URL" \
        --executor-id "$SPARK_EXECUTOR_ID" \
        --cores "$SPARK_EXECUTOR_CORES" \
        --app-id "$SPARK_APPLICATION_ID" \
        --hostname "$SPARK_EXECUTOR_POD_IP" \
        --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" \
        --podName "$SPARK_EXECUTOR_POD_NAME"
    ;;
*)
    exec "$@"
    ;;
esac
