"""The platform's portal: a small web application inside the cluster. It imports ``mlstack.core`` and nothing else of mlstack."""
