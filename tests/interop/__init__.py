"""The collector with parts that nobody here wrote: `make test-interop`, in environments of their own."""
