import numpy as np

from tokser.prediction.run import predict_all


def test_a_folder_is_predicted_as_its_store(corpus, whisper_store, whisper_model, tmp_path):
    found = predict_all(whisper_model, corpus, out=tmp_path / "p.csv")
    wanted = whisper_model.predict_store(whisper_store)
    print(found.table.head(3), found.quarantined, wanted.head(3))
    got = found.table.assign(id=[p.rsplit("/")[-1][:-4] for p in found.table["id"]]).set_index("id")
    d = np.abs(got[list(wanted.columns[1:])] - wanted[wanted.columns[1:]]).to_numpy().max()
    print("DIST", d)
    assert d == 0
