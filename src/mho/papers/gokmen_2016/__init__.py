"""T. Gokmen, Y. Vlasov, Front. Neurosci. 10:333 (2016): fully connected networks on arrays."""
