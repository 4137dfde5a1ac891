SELECT item, id, list FROM orders JOIN prices USING (item) WHERE orders.at > prices.at;
