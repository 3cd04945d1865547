"""What `manage.py bench_engine` is made of."""
