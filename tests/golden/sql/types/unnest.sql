SELECT p.id, u.w, u.place FROM parcels AS p LEFT JOIN LATERAL unnest(p.weights) WITH ORDINALITY AS u (w, place) ON true;
