"""What people see of Foretide in Prometheus and Grafana: made from the metrics in the code, and checked by them."""
